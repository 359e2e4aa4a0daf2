// A depthwise convolution. flat filter [height * width, 4 * out_blocks].
// With MULTIPLIED output channel c reads input channel c / multiplier. With FILTER_HEIGHT and STRIDE_HEIGHT,
// both small and undilated, a line that several taps need is read once: twice to three times as fast.
#include "tile"
#include "place"
#include "activation"
#ifdef FILTER_HEIGHT
#define LINES (STRIDE_HEIGHT * (LAYERS - 1) + FILTER_HEIGHT)
#endif
#ifdef MULTIPLIED
VALUE channel(int x, int h, int first_row, int c) {
    c /= multiplier;
    if (c >= in_channels) return VALUE(0);
    VALUE4 v = x_tile(x, first_row + (c >> 2) + (h >> LAYERS_LOG2) * in_blocks, h & (LAYERS - 1));
    c &= 3;
    return c < 2 ? (c == 0 ? v.x : v.y) : (c == 2 ? v.z : v.w);
}
#endif
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int first_row = place.n * in_blocks * in_bands;
#ifndef MULTIPLIED
    first_row += place.block;
#endif
    int top = place.band * LAYERS * stride_height - pad_top;
    int left = at.x * stride_width - pad_left;
    int weight = place.block;
    VALUE4 bias = bias_texel(place.block * bias_step);
    for (int r = 0; r < LAYERS; r++) rows[r] = bias;
#ifdef FILTER_HEIGHT
    for (int dx = 0; dx < filter_width; dx++) {
        int x = left + dx * dilation_width;
        if (x < 0 || x >= in_width) continue;
        VALUE4 lines[LINES];
        for (int k = 0; k < LINES; k++) {
            int h = top + k;
            int row = h >= 0 && h < in_height ? first_row + (h >> LAYERS_LOG2) * in_blocks : OUTSIDE;
            lines[k] = x_tile_or_zero(x, row, h & (LAYERS - 1));
        }
        for (int dy = 0; dy < FILTER_HEIGHT; dy++) {
            VALUE4 w = filter_texel(weight + (dy * filter_width + dx) * out_blocks);
            for (int r = 0; r < LAYERS; r++) rows[r] += w * lines[r * STRIDE_HEIGHT + dy];
        }
    }
#else
    for (int dy = 0; dy < filter_height; dy++) {
        int y = top + dy * dilation_height;
        for (int dx = 0; dx < filter_width; dx++) {
            int x = left + dx * dilation_width;
            VALUE4 w = filter_texel(weight);
            weight += out_blocks;
            if (x < 0 || x >= in_width) continue;
            for (int r = 0; r < LAYERS; r++) {
                int h = y + r * stride_height;
                if (h >= 0 && h < in_height) {
#ifdef MULTIPLIED
                    int c = 4 * place.block;
                    rows[r] += w * VALUE4(
                        channel(x, h, first_row, c), channel(x, h, first_row, c + 1),
                        channel(x, h, first_row, c + 2), channel(x, h, first_row, c + 3));
#else
                    rows[r] += w * x_tile(x, first_row + (h >> LAYERS_LOG2) * in_blocks, h & (LAYERS - 1));
#endif
                }
            }
        }
    }
#endif
    VALUE4 slope = slopes(place.block);
    for (int r = 0; r < LAYERS; r++) rows[r] = activated(rows[r], slope);
}
