// A 1x1 convolution, or a product of matrices: every output place is the product of its input channels with one
// matrix of the flat filter, whose texels hold 4 columns: filter_step, filter_block_step and filter_row_step from one
// matrix, block of columns and row to the next.
#include "tile"
#include "place"
#include "block_pair"
#include "activation"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int row = (place.n * in_bands + place.band) * in_blocks;
    int weight = place.n * filter_step + place.block * filter_block_step;
    VALUE4 bias = bias_texel(place.block * bias_step);
    for (int r = 0; r < LAYERS; r++) rows[r] = bias;
    BEGIN_SUM
    for (int block = 0; block < in_blocks; block += 2) {
        bool is_pair = block + 1 < in_blocks;
        WEIGHTS_OF_PAIR(weight, filter_row_step, is_pair)
        weight += 8 * filter_row_step;
        int next = is_pair ? row + 1 : OUTSIDE;
        for (int r = 0; r < LAYERS; r++) {
            VALUE4 u = x_tile(at.x, row, r);
            VALUE4 v = x_tile_or_zero(at.x, next, r);
            rows[r] += PRODUCT_OF_PAIR(u, v);
        }
        row += 2;
        END_STEP
    }
    END_SUM
    VALUE4 slope = slopes(place.block);
    for (int r = 0; r < LAYERS; r++) rows[r] = activated(rows[r], slope);
}
