// A reduction of each channel of a tiled tensor over its places; channels are a multiple of 4.
// Output [batch, parts, channels]: part p covers chunk_size bands of lines.
#include "texel"
#include "arithmetic"
VALUE4 texel(int t) {
    int place = t / in_blocks;
    int block = t - place * in_blocks;
    int n = place / parts_count;
    int first = (place - n * parts_count) * chunk_size;
    int last = min(first + chunk_size, in_bands);
    int row = n * in_bands * in_blocks + block;
    VALUE4 total = VALUE4(IDENTITY);
    for (int band = first; band < last; band++) {
        int lines = min(LAYERS, in_height - band * LAYERS);
        for (int line = 0; line < lines; line++) {
            VALUE4 part = VALUE4(IDENTITY);
            for (int w = 0; w < in_width; w++) {
                VALUE4 v = x_tile(w, row + band * in_blocks, line);
                part = COMBINE(part, v);
            }
            total = COMBINE(total, part);
        }
    }
#ifdef FLOAT_OUTPUT
    total /= reduce_divisor;
#endif
    return total;
}
