// Partial sums of products with few rows: batch element n of the output is row n of `a`; column w takes
// chunk * LAYERS blocks of 4 terms of that row with a matrix of `filter`, every line h one of LAYERS of them.
// flat a [rows, 4 * in_blocks], filter [matrices, 4 * in_blocks, 4 * out_blocks].
#include "tile"
#include "place"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int a_first = place.n * in_blocks;
    int filter_first = place.n / in_rows * filter_step + place.block;
    int first = at.x * chunk * LAYERS;
    int last = min(first + chunk * LAYERS, in_blocks);
    for (int r = 0; r < LAYERS; r++) rows[r] = VALUE4(0);
    for (int k = first; k < last; k += LAYERS) {
        for (int r = 0; r < LAYERS; r++) {
            VALUE4 v = k + r < last ? a_texel(a_first + k + r) : VALUE4(0);
            int weight = filter_first + 4 * min(k + r, last - 1) * out_blocks;
            rows[r] += v.x * filter_texel(weight) + v.y * filter_texel(weight + out_blocks)
                + v.z * filter_texel(weight + 2 * out_blocks) + v.w * filter_texel(weight + 3 * out_blocks);
        }
    }
}
