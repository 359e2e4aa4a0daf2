// A 1x1 convolution, or a product of matrices: every output place is the product of its input
// channels with one matrix of the flat filter [matrices, 4 * in_blocks, 4 * out_blocks].
#include "tile"
#include "place"
#include "activation"
// Terms of a partial sum, divided by 4: partial sums keep the rounding error of long ones small.
#define CHUNK 64
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int row = place.n * in_blocks * in_bands + place.band;
    int weight = place.n * filter_step + place.block;
    VALUE4 bias = bias_texel(place.block * bias_step);
    for (int r = 0; r < LAYERS; r++) rows[r] = bias;
    for (int first = 0; first < in_blocks; first += CHUNK) {
        int last = min(first + CHUNK, in_blocks);
        VALUE4 part[LAYERS];
        for (int r = 0; r < LAYERS; r++) part[r] = VALUE4(0);
        for (int block = first; block < last; block++) {
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
    VALUE4 slope = slopes(place.block);
    for (int r = 0; r < LAYERS; r++) rows[r] = activated(rows[r], slope);
}
