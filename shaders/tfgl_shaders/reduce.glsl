// A reduction over any axes. IDENTITY starts it, COMBINE(x, y) goes on.
// Output element i belongs to part i / kept_size, which covers chunk_size steps, and to kept place
// i % kept_size. REDUCE_PATH: 0 a step is one element; 1 a texel of the reduced last axis, folded in the
// end; 2 a texel of the kept last axis, four outputs at once. Dims and strides are in the path's units.
#include "texel"
#include "arithmetic"

int kept_offset(int place) {
    int offset = 0;
    for (int d = kept_rank - 1; d >= 0; d--) {
        int q = place / kept_dims(d);
        offset += (place - q * kept_dims(d)) * kept_strides(d);
        place = q;
    }
    return offset;
}
int reduced_offset(int step) {
    int offset = 0;
    for (int d = reduced_rank - 1; d >= 0; d--) {
        int q = step / reduced_dims(d);
        offset += (step - q * reduced_dims(d)) * reduced_strides(d);
        step = q;
    }
    return offset;
}
VALUE4 folded(int base, int first) {
    VALUE4 total = VALUE4(IDENTITY);
    int last = min(first + chunk_size, reduced_size);
    int run = reduced_dims(reduced_rank - 1);
    int stride = reduced_strides(reduced_rank - 1);
    int left = 0;
    int at = 0;
    for (int r = first; r < last;) {
        // A long sum of short sums: rounding errors grow with the longer of the two only.
        VALUE4 part = VALUE4(IDENTITY);
        int stop = min(r + 32, last);
        for (; r < stop; r++) {
            if (left == 0) {
                left = run - (r - (r / run) * run);
                at = base + reduced_offset(r);
            }
#if REDUCE_PATH == 0
            VALUE4 v = VALUE4(x_at(at));
#else
            VALUE4 v = x_texel(at);
#endif
            part = COMBINE(part, v);
            at += stride;
            left--;
        }
        total = COMBINE(total, part);
    }
    return total;
}
VALUE4 place_folded(int i) {
    int part = i / kept_size;
    return folded(kept_offset(i - part * kept_size), part * chunk_size);
}
VALUE4 texel(int t) {
#if REDUCE_PATH == 2
    VALUE4 value = place_folded(t);
#else
    VALUE4 value = VALUE4(IDENTITY);
    // Once a lane: the loop keeps a single copy of the code to compile.
    int outputs = min(4, out_size - t * 4);
    for (int lane = 0; lane < outputs; lane++) {
        VALUE4 four = place_folded(t * 4 + lane);
#if REDUCE_PATH == 1
        four = COMBINE(four, four.zwzw);
        four = COMBINE(four, four.yyyy);
#endif
        VALUE one = four.x;
        if (lane == 0) value.x = one;
        else if (lane == 1) value.y = one;
        else if (lane == 2) value.z = one;
        else value.w = one;
    }
#endif
#ifdef FLOAT_OUTPUT
    value /= reduce_divisor;
#endif
    return value;
}
