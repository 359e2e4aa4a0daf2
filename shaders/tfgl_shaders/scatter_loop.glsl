// Each row of the output looks through all rows of updates [scatter_count, scatter_inner] for its own number.
// OVERWRITE: the last one replaces what `tensor` has; else they are added up in their order, with ANY as bools.
#include "scatter_unit"
SCATTERED {
    int row = i / scatter_inner;
    int lane = i - row * scatter_inner;
    int last = scatter_count - 1;
#ifdef OVERWRITE
    for (int t = last >> 2; t >= 0; t--) {
        ivec4 four = rows_texel(t);
        int at = 4 * t;
        if (at + 3 <= last && four.w == row) return UPDATES_UNIT((at + 3) * scatter_inner + lane);
        if (at + 2 <= last && four.z == row) return UPDATES_UNIT((at + 2) * scatter_inner + lane);
        if (at + 1 <= last && four.y == row) return UPDATES_UNIT((at + 1) * scatter_inner + lane);
        if (four.x == row) return UPDATES_UNIT(at * scatter_inner + lane);
    }
    return TENSOR_UNIT(i);
#else
    UNIT total = UNIT(0);
    for (int t = 0; t <= last >> 2; t++) {
        ivec4 four = rows_texel(t);
        int at = 4 * t;
        if (four.x == row) total += UPDATES_UNIT(at * scatter_inner + lane);
        if (at + 1 <= last && four.y == row) total += UPDATES_UNIT((at + 1) * scatter_inner + lane);
        if (at + 2 <= last && four.z == row) total += UPDATES_UNIT((at + 2) * scatter_inner + lane);
        if (at + 3 <= last && four.w == row) total += UPDATES_UNIT((at + 3) * scatter_inner + lane);
    }
#ifdef ANY
    total = min(total, UNIT(1));
#endif
    return total;
#endif
}
