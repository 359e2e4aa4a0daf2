// A convolution with any filter. flat filter [out_blocks, depth * height * width, 4 * in_blocks, 4].
// With TRANSPOSED it is the gradient of one by its input: strides are those of the forward
// convolution, so a tap contributes only where the stride divides its distance.
// With ONE_BLOCK, up to 4 input channels, neighbouring taps make the pairs.
#include "tile"
#include "place"
#include "depth"
#include "block_pair"
#include "activation"
#ifdef TRANSPOSED
#define STEP(place, stride) (place)
#define SOURCE(position, stride) ((position) - (position) / (stride) * (stride) == 0 ? (position) / (stride) : -1)
#else
#define STEP(place, stride) ((place) * (stride))
#define SOURCE(position, stride) (position)
#endif
#define ADD_PAIR(x0, row0, x1, row1) { \
    int first = row0, second = row1; \
    for (int r = 0; r < LAYERS; r++) { \
        VALUE4 u = x_tile_or_zero(x0, first + band_row[r], line[r] & (LAYERS - 1)); \
        VALUE4 v = x_tile_or_zero(x1, second + band_row[r], line[r] & (LAYERS - 1)); \
        rows[r] += PRODUCT_OF_PAIR(u, v); \
    } \
}
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int volume = place.n / out_depth;
    int front = STEP(place.n - volume * out_depth, stride_depth) - pad_front;
    int top = STEP(place.band * LAYERS, stride_height) - pad_top;
    int left = STEP(at.x, stride_width) - pad_left;
    int weight = place.block * filter_depth * filter_height * filter_width * 4 * in_blocks;
    VALUE4 bias = bias_texel(place.block * bias_step);
    for (int r = 0; r < LAYERS; r++) rows[r] = bias;
    BEGIN_SUM
    for (int dz = 0; dz < filter_depth; dz++) {
        int z = SOURCE(front + dz * dilation_depth, stride_depth);
        if (z < 0 || z >= in_depth) {
            weight += filter_height * filter_width * 4 * in_blocks;
            continue;
        }
        int first_row = (volume * in_depth + z) * in_blocks * in_bands;
        for (int dy = 0; dy < filter_height; dy++) {
            int y = top + dy * dilation_height;
            int line[LAYERS];
            int band_row[LAYERS];
            for (int r = 0; r < LAYERS; r++) {
                line[r] = SOURCE(y + STEP(r, stride_height), stride_height);
                band_row[r] = line[r] >= 0 && line[r] < in_height ? (line[r] >> LAYERS_LOG2) * in_blocks : OUTSIDE;
            }
#ifdef ONE_BLOCK
            for (int dx = 0; dx < filter_width; dx += 2) {
                bool is_pair = dx + 1 < filter_width;
                int x0 = SOURCE(left + dx * dilation_width, stride_width);
                int x1 = SOURCE(left + (dx + 1) * dilation_width, stride_width);
                WEIGHTS_OF_PAIR(weight, 1, is_pair)
                weight += is_pair ? 8 : 4;
                ADD_PAIR(x0, x0 >= 0 && x0 < in_width ? first_row : OUTSIDE,
                         x1, x1 >= 0 && x1 < in_width && is_pair ? first_row : OUTSIDE)
            }
#else
            for (int dx = 0; dx < filter_width; dx++) {
                int x = SOURCE(left + dx * dilation_width, stride_width);
                if (x < 0 || x >= in_width) {
                    weight += 4 * in_blocks;
                    continue;
                }
                int row = first_row;
                for (int block = 0; block < in_blocks; block += 2) {
                    bool is_pair = block + 1 < in_blocks;
                    WEIGHTS_OF_PAIR(weight, 1, is_pair)
                    weight += is_pair ? 8 : 4;
                    ADD_PAIR(x, row, x, is_pair ? row + 1 : OUTSIDE)
                    row += 2;
                    END_STEP
                }
            }
#endif
        }
    }
    END_SUM
    VALUE4 slope = slopes(place.block);
    for (int r = 0; r < LAYERS; r++) rows[r] = activated(rows[r], slope);
}
