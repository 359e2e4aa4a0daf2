// flat [rows, in_channels]: the sums of what product_parts left, with bias and activation. ALIGNED: in_channels
// is a multiple of 4.
#include "texel"
#include "activation"
VALUE4 total(int line, int block) {
    VALUE4 sum = VALUE4(0);
    int part = line * parts_count * in_blocks + block;
    for (int p = 0; p < parts_count; p++) sum += x_texel(part + p * in_blocks);
    return activated(sum + bias_texel(block * bias_step), slopes(block));
}
#ifndef ALIGNED
VALUE lane(int line, int c) {
    VALUE4 v = total(line, c >> 2);
    c &= 3;
    return c < 2 ? (c == 0 ? v.x : v.y) : (c == 2 ? v.z : v.w);
}
#endif
VALUE4 texel(int t) {
#ifdef ALIGNED
    int line = t / in_blocks;
    return total(line, t - line * in_blocks);
#else
    int i = t * 4;
    int line = i / in_channels;
    int c = i - line * in_channels;
    VALUE4 v = VALUE4(0);
    for (int k = 0; k < 4; k++) {
        VALUE one = lane(line, c);
        if (k == 0) v.x = one;
        else if (k == 1) v.y = one;
        else if (k == 2) v.z = one;
        else v.w = one;
        if (++c == in_channels) { c = 0; line++; }
    }
    return v;
#endif
}
