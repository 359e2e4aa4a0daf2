// Partial sums of products with few rows: batch element n of the output is row n of `a`, its line h and
// column w hold the sum over terms chunk * (h * out_width + w) ... of that row with a matrix of `filter`.
// flat a [rows, 4 * in_blocks], filter [matrices, 4 * in_blocks, 4 * out_blocks].
#include "tile"
#include "place"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int matrix = place.n / in_rows;
    int a_first = place.n * in_blocks;
    int filter_first = matrix * filter_step + place.block;
    for (int r = 0; r < LAYERS; r++) {
        int first = (r * out_width + at.x) * chunk;
        int last = min(first + chunk, in_blocks);
        VALUE4 sum = VALUE4(0);
        for (int k = first; k < last; k++) {
            VALUE4 v = a_texel(a_first + k);
            int weight = filter_first + 4 * k * out_blocks;
            sum += v.x * filter_texel(weight) + v.y * filter_texel(weight + out_blocks)
                + v.z * filter_texel(weight + 2 * out_blocks) + v.w * filter_texel(weight + 3 * out_blocks);
        }
        rows[r] = sum;
    }
}
