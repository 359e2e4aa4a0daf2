// The largest of x + filter in each window, channel by channel; padding takes no part. flat filter
// [height * width, 4 * out_blocks].
#include "tile"
#include "place"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int row = place.n * in_bands * in_blocks + place.block;
    int top = place.band * LAYERS * stride_height - pad_top;
    int left = at.x * stride_width - pad_left;
    int weight = place.block;
    for (int r = 0; r < LAYERS; r++) rows[r] = VALUE4(LOWEST);
    for (int dy = 0; dy < filter_height; dy++) {
        int y = top + dy * dilation_height;
        for (int dx = 0; dx < filter_width; dx++) {
            int x = left + dx * dilation_width;
            VALUE4 w = filter_texel(weight);
            weight += out_blocks;
            if (x < 0 || x >= in_width) continue;
            for (int r = 0; r < LAYERS; r++) {
                int h = y + r * stride_height;
                if (h < 0 || h >= in_height) continue;
                VALUE4 v = x_tile(x, row + (h >> LAYERS_LOG2) * in_blocks, h & (LAYERS - 1)) + w;
                if (v.x > rows[r].x) rows[r].x = v.x;
                if (v.y > rows[r].y) rows[r].y = v.y;
                if (v.z > rows[r].z) rows[r].z = v.z;
                if (v.w > rows[r].w) rows[r].w = v.w;
            }
        }
    }
}
