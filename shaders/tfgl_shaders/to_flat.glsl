// tiles -> flat (n, h, w, c). ALIGNED: in_channels is a multiple of 4.
#include "texel"
VALUE4 column(int pixel, int c) {
    int line = pixel / in_width;
    int w = pixel - line * in_width;
    int n = line / in_height;
    int h = line - n * in_height;
    int row = (n * in_bands + (h >> LAYERS_LOG2)) * in_blocks + (c >> 2);
    return x_tile(w, row, h & (LAYERS - 1));
}
VALUE4 texel(int t) {
#ifdef ALIGNED
    int pixel = t / in_blocks;
    return column(pixel, 4 * (t - pixel * in_blocks));
#else
    int i = t * 4;
    int pixel = i / in_channels;
    int c = i - pixel * in_channels;
    VALUE4 value = VALUE4(0);
    for (int k = 0; k < 4; k++) {
        VALUE4 four = column(pixel, c);
        int lane = c & 3;
        value[k] = lane < 2 ? (lane == 0 ? four.x : four.y) : (lane == 2 ? four.z : four.w);
        c++;
        if (c == in_channels) { c = 0; pixel++; }
    }
    return value;
#endif
}
