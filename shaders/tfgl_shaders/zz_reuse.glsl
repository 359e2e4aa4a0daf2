#include "tile"
#include "activation"
#define ROWS ((LAYERS - 1) * STRIDE + FILTER_HEIGHT)
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    int block_row = at.y / out_bands;
    int band = at.y - block_row * out_bands;
    int n = block_row / out_blocks;
    int block = block_row - n * out_blocks;
    int first_row = n * in_blocks * in_bands;
    int top = band * LAYERS * STRIDE - pad_top;
    int left = at.x * stride_width - pad_left;
    VALUE4 start = bias_texel(block * bias_step);
    for (int r = 0; r < LAYERS; r++) rows[r] = start;
    for (int dx = 0; dx < filter_width; dx++) {
        int x = left + dx * dilation_width;
        if (x < 0 || x >= in_width) continue;
        VALUE4 part[LAYERS];
        for (int r = 0; r < LAYERS; r++) part[r] = VALUE4(0);
        int row = first_row;
        int weight = dx * 4 * in_blocks * out_blocks + block;
        int next = filter_width * 4 * in_blocks * out_blocks;
        for (int k = 0; k < in_blocks; k++) {
            VALUE4 v[ROWS];
            for (int r = 0; r < ROWS; r++) {
                int h = top + r;
                v[r] = h >= 0 && h < in_height ? x_tile(x, row + (h >> LAYERS_LOG2), h & (LAYERS - 1)) : VALUE4(0);
            }
            for (int dy = 0; dy < FILTER_HEIGHT; dy++) {
                int at_weight = weight + dy * next;
                VALUE4 w0 = filter_texel(at_weight);
                VALUE4 w1 = filter_texel(at_weight + out_blocks);
                VALUE4 w2 = filter_texel(at_weight + 2 * out_blocks);
                VALUE4 w3 = filter_texel(at_weight + 3 * out_blocks);
                for (int r = 0; r < LAYERS; r++) {
                    VALUE4 u = v[r * STRIDE + dy];
                    part[r] += u.x * w0 + u.y * w1 + u.z * w2 + u.w * w3;
                }
            }
            weight += 4 * out_blocks;
            row += in_bands;
        }
        for (int r = 0; r < LAYERS; r++) rows[r] += part[r];
    }
    for (int r = 0; r < LAYERS; r++) rows[r] = activated(rows[r]);
}
