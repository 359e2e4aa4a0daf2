// The largest value of chunk_size steps of a row, and the sum of exp(value - largest).
// Rows run along the middle of [outer, row_size, row_inner]. A step is four elements: a texel with ALIGNED, where
// row_inner is 1 and row_size divides by 4.
#include "arithmetic"
#include "math/exponential"
// Four values; beyond the end of the row -inf, which adds nothing.
vec4 values_at(int base, int step) {
#ifdef ALIGNED
    return x_texel(base + step);
#else
    int at = base + step * 4 * row_inner;
    int left = row_size - step * 4;
    vec4 v = vec4(NEGATIVE_INFINITY);
    v.x = x_at(at);
    if (left > 1) v.y = x_at(at + row_inner);
    if (left > 2) v.z = x_at(at + 2 * row_inner);
    if (left > 3) v.w = x_at(at + 3 * row_inner);
    return v;
#endif
}
vec2 most_and_sum(int row, int first) {
    int last = min(first + chunk_size, row_steps);
#ifdef ALIGNED
    int base = row * row_steps;
#else
    int base = (row / row_inner) * (row_size - 1) * row_inner + row;
#endif
    vec4 most = vec4(NEGATIVE_INFINITY);
    for (int step = first; step < last; step++) most = larger(most, values_at(base, step));
    most = larger(most, most.zwxy);
    most = larger(most, most.yxwz);
    vec4 total = vec4(0.0);
    for (int step = first; step < last;) {
        vec4 sum = vec4(0.0);
        int stop = min(step + 32, last);
        for (; step < stop; step++) sum += exp_exact(values_at(base, step) - most);
        total += sum;
    }
    return vec2(most.x, (total.x + total.y) + (total.z + total.w));
}
