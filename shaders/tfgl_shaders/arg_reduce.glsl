// Index of the largest (smallest) element along the middle of [outer, axis_size, inner].
// BETTER(x, y): x beats y; the first of equals wins, NaN never does.
// Output [parts, outer, inner]. With CANDIDATES, step s of a part looks at element candidates[s, ...].
#include "element"
#include "math/nan"
int element(int i) {
    int part = i / kept_size;
    int place = i - part * kept_size;
    int base = (place / axis_inner) * axis_size * axis_inner;
    base += place - (place / axis_inner) * axis_inner;
    int first = part * chunk_size;
    int last = min(first + chunk_size, steps_count);
    X_VALUE best = X_VALUE(WORST);
#ifdef CANDIDATES
    int found = 0;
    for (int s = first; s < last; s++) {
        int r = candidates_at(s * kept_size + place);
#else
    int found = first;
    for (int r = first; r < last; r++) {
#endif
        X_VALUE v = x_at(base + r * axis_inner);
        if (BETTER(v, best)) {
            best = v;
            found = r;
        }
    }
    return found;
}
