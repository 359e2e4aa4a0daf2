// A convolution of any filter size. flat filter [height * width, 4 * in_blocks, 4 * out_blocks].
#include "tile"
#include "activation"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    int block_row = at.y / out_bands;
    int band = at.y - block_row * out_bands;
    int n = block_row / out_blocks;
    int block = block_row - n * out_blocks;
    int first_row = n * in_blocks * in_bands;
    int top = band * LAYERS * stride_height - pad_top;
    int left = at.x * stride_width - pad_left;
    int weight = block;
    VALUE4 start = bias_texel(block * bias_step);
    for (int r = 0; r < LAYERS; r++) rows[r] = start;
    for (int dy = 0; dy < filter_height; dy++) {
        int y = top + dy * dilation_height;
        for (int dx = 0; dx < filter_width; dx++) {
            int x = left + dx * dilation_width;
            if (x < 0 || x >= in_width) {
                weight += 4 * in_blocks * out_blocks;
                continue;
            }
            VALUE4 part[LAYERS];
            for (int r = 0; r < LAYERS; r++) part[r] = VALUE4(0);
            int row = first_row;
            for (int k = 0; k < in_blocks; k++) {
                VALUE4 w0 = filter_texel(weight);
                VALUE4 w1 = filter_texel(weight + out_blocks);
                VALUE4 w2 = filter_texel(weight + 2 * out_blocks);
                VALUE4 w3 = filter_texel(weight + 3 * out_blocks);
                weight += 4 * out_blocks;
                for (int r = 0; r < LAYERS; r++) {
                    int h = y + r * stride_height;
                    VALUE4 v = h >= 0 && h < in_height ? x_tile(x, row + (h >> LAYERS_LOG2), h & (LAYERS - 1)) : VALUE4(0);
                    part[r] += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
                }
                row += in_bands;
            }
            for (int r = 0; r < LAYERS; r++) rows[r] += part[r];
        }
    }
    for (int r = 0; r < LAYERS; r++) rows[r] = activated(rows[r]);
}
