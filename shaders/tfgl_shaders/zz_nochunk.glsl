// A 1x1 convolution, or a product of matrices: every output place is the product of its input
// channels with one matrix of the filter. flat filter [matrices, 4 * in_blocks, 4 * out_blocks].
#include "tile"
#include "activation"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    int block_row = at.y / out_bands;
    int band = at.y - block_row * out_bands;
    int n = block_row / out_blocks;
    int block = block_row - n * out_blocks;
    int row = n * in_blocks * in_bands + band;
    int weight = n * filter_step + block;
    VALUE4 start = bias_texel(block * bias_step);
    for (int r = 0; r < LAYERS; r++) rows[r] = start;
    // Sums of a few hundred terms each keep the rounding error of long sums small.
    for (int first = 0; first < in_blocks; first += 100000) {
        int last = min(first + 100000, in_blocks);
        VALUE4 part[LAYERS];
        for (int r = 0; r < LAYERS; r++) part[r]=VALUE4(0);
        for (int k = first; k < last; k++) {
            VALUE4 w0 = filter_texel(weight);
            VALUE4 w1 = filter_texel(weight + out_blocks);
            VALUE4 w2 = filter_texel(weight + 2 * out_blocks);
            VALUE4 w3 = filter_texel(weight + 3 * out_blocks);
            weight += 4 * out_blocks;
            for (int r = 0; r < LAYERS; r++) {
                VALUE4 v = x_tile(at.x, row, r);
                part[r] += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
            }
            row += in_bands;
        }
        for (int r = 0; r < LAYERS; r++) rows[r] += part[r];
    }
    for (int r = 0; r < LAYERS; r++) rows[r] = activated(rows[r]);
}
