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
    // One lane after another, in a loop that compilers do not unroll: integer division is long code.
    int i = t * 4;
    int end = min(i + 4, out_size);
    int missing = i + 4 - end;
    int pixel = i / in_channels;
    int c = i - pixel * in_channels;
    VALUE4 value = VALUE4(0);
    for (; i < end; i++) {
        VALUE4 four = column(pixel, c);
        int lane = c & 3;
        // Shifting the lanes along writes each in its turn without a dynamic index.
        value = VALUE4(value.yzw, lane < 2 ? (lane == 0 ? four.x : four.y) : (lane == 2 ? four.z : four.w));
        c++;
        if (c == in_channels) { c = 0; pixel++; }
    }
    return missing < 2 ? (missing == 0 ? value : value.yzwx) : (missing == 2 ? value.zwxy : value.wxyz);
#endif
}
