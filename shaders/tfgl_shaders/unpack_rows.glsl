// flat [matrices, in_rows, in_channels] from the places of a tiled tensor, as pack_rows lays them.
// ALIGNED: in_channels is a multiple of 4.
#include "texel"
VALUE4 column(int line, int c) {
    int n = line / in_rows;
    int m = line - n * in_rows;
    int h = m / in_width;
    int row = (n * in_bands + (h >> LAYERS_LOG2)) * in_blocks + (c >> 2);
    return x_tile(m - h * in_width, row, h & (LAYERS - 1));
}
#ifndef ALIGNED
VALUE lane(int line, int c) {
    VALUE4 v = column(line, c);
    c &= 3;
    return c < 2 ? (c == 0 ? v.x : v.y) : (c == 2 ? v.z : v.w);
}
#endif
VALUE4 texel(int t) {
#ifdef ALIGNED
    int line = t / in_blocks;
    return column(line, 4 * (t - line * in_blocks));
#else
    int i = t * 4;
    int line = i / in_channels;
    int c = i - line * in_channels;
    VALUE4 v;
    v.x = lane(line, c);
    if (++c == in_channels) { c = 0; line++; }
    v.y = lane(line, c);
    if (++c == in_channels) { c = 0; line++; }
    v.z = lane(line, c);
    if (++c == in_channels) { c = 0; line++; }
    v.w = lane(line, c);
    return v;
#endif
}
