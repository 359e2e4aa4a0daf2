// out[i] = x[in_offset + sum over axes of coordinate * in_strides]: transposes, slices,
// reversals, tilings, broadcasts. Axes beyond in_rank are absent; strides may be zero or negative.
#include "texel"

int offset_of(int i) {
    int offset = in_offset;
    for (int d = in_rank - 1; d >= 0; d--) {
        int q = i / out_dims(d);
        offset += (i - q * out_dims(d)) * in_strides(d);
        i = q;
    }
    return offset;
}

VALUE4 texel(int t) {
#ifdef ALIGNED
    return x_texel(offset_of(t * 4) >> 2);
#else
    int i = t * 4;
    int last = out_dims(in_rank - 1);
    int step = in_strides(in_rank - 1);
    int coordinate = i - (i / last) * last;
    int offset = offset_of(i);
    VALUE4 value;
    for (int k = 0; k < 4; k++) {
        value[k] = x_at(offset);
        coordinate++;
        offset += step;
        if (coordinate == last) {
            coordinate = 0;
            offset = offset_of(i + k + 1);
        }
    }
    return value;
#endif
}
