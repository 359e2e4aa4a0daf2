// scatter_loop for many updates. `keys` holds the updates' row numbers, the largest first, and `places` which
// update each is; equal ones stand in the updates' order, so a row finds its own by bisection.
#include "scatter_unit"
int first_at_most(int key) {
    int low = 0;
    int high = scatter_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (keys_at(middle) > key) low = middle + 1;
        else high = middle;
    }
    return low;
}
SCATTERED {
    int row = i / scatter_inner;
    int lane = i - row * scatter_inner;
#ifdef OVERWRITE
    int last = first_at_most(row - 1) - 1;
    if (last < 0 || keys_at(last) != row) return TENSOR_UNIT(i);
    return UPDATES_UNIT(places_at(last) * scatter_inner + lane);
#else
    UNIT total = UNIT(0);
    for (int n = first_at_most(row); n < scatter_count; n++) {
        if (keys_at(n) != row) break;
        total += UPDATES_UNIT(places_at(n) * scatter_inner + lane);
    }
#ifdef ANY
    total = min(total, UNIT(1));
#endif
    return total;
#endif
}
