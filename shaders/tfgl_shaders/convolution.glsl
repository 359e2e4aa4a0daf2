// A convolution with any filter. flat filter [depth * height * width, 4 * in_blocks, 4 * out_blocks].
// With TRANSPOSED it is the gradient of one by its input: strides are those of the forward
// convolution, so a tap contributes only where the stride divides its distance.
#include "tile"
#include "place"
#include "depth"
#include "activation"
#ifdef TRANSPOSED
#define STEP(place, stride) (place)
#define SOURCE(position, stride) ((position) - (position) / (stride) * (stride) == 0 ? (position) / (stride) : -1)
#else
#define STEP(place, stride) ((place) * (stride))
#define SOURCE(position, stride) (position)
#endif
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int volume = place.n / out_depth;
    int front = STEP(place.n - volume * out_depth, stride_depth) - pad_front;
    int top = STEP(place.band * LAYERS, stride_height) - pad_top;
    int left = STEP(at.x, stride_width) - pad_left;
    int weight = place.block;
    VALUE4 bias = bias_texel(place.block * bias_step);
    for (int r = 0; r < LAYERS; r++) rows[r] = bias;
    for (int dz = 0; dz < filter_depth; dz++) {
        int z = SOURCE(front + dz * dilation_depth, stride_depth);
        if (z < 0 || z >= in_depth) {
            weight += filter_height * filter_width * 4 * in_blocks * out_blocks;
            continue;
        }
        int first_row = (volume * in_depth + z) * in_blocks * in_bands;
        for (int dy = 0; dy < filter_height; dy++) {
            int y = top + dy * dilation_height;
            int line[LAYERS];
            for (int r = 0; r < LAYERS; r++) line[r] = SOURCE(y + STEP(r, stride_height), stride_height);
            for (int dx = 0; dx < filter_width; dx++) {
                int x = SOURCE(left + dx * dilation_width, stride_width);
                if (x < 0 || x >= in_width) {
                    weight += 4 * in_blocks * out_blocks;
                    continue;
                }
                VALUE4 part[LAYERS];
                for (int r = 0; r < LAYERS; r++) part[r] = VALUE4(0);
                int row = first_row;
                for (int block = 0; block < in_blocks; block++) {
                    VALUE4 w0 = filter_texel(weight);
                    VALUE4 w1 = filter_texel(weight + out_blocks);
                    VALUE4 w2 = filter_texel(weight + 2 * out_blocks);
                    VALUE4 w3 = filter_texel(weight + 3 * out_blocks);
                    weight += 4 * out_blocks;
                    for (int r = 0; r < LAYERS; r++) {
                        int h = line[r];
                        VALUE4 v = h >= 0 && h < in_height
                            ? x_tile(x, row + (h >> LAYERS_LOG2), h & (LAYERS - 1)) : VALUE4(0);
                        part[r] += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
                    }
                    row += in_bands;
                }
                for (int r = 0; r < LAYERS; r++) rows[r] += part[r];
            }
        }
    }
    VALUE4 slope = slopes(place.block);
    for (int r = 0; r < LAYERS; r++) rows[r] = activated(rows[r], slope);
}
