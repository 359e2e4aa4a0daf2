// The largest value (MAXIMUM) or the mean of each window; padding takes no part.
#include "tile"
#include "place"
#include "depth"
#include "math/nan"
#ifdef MAXIMUM
#ifdef INT_OUTPUT
#define START VALUE4(-2147483647 - 1)
#else
#define START VALUE4(NOT_A_NUMBER)
#endif
// NaN stands for nothing yet: it is replaced by any number and replaces none, as in the original; a
// window of nothing but NaN gives NaN.
VALUE larger(VALUE v, VALUE most) {
#ifdef INT_OUTPUT
    return max(v, most);
#else
    return v > most || is_nan(most) ? v : most;
#endif
}
VALUE4 taken(VALUE4 so_far, VALUE4 v) {
    return VALUE4(larger(v.x, so_far.x), larger(v.y, so_far.y), larger(v.z, so_far.z), larger(v.w, so_far.w));
}
#else
#define START VALUE4(0)
VALUE4 taken(VALUE4 so_far, VALUE4 v) {
    return so_far + v;
}
int inside(int from, int extent, int limit) {
    return min(from + extent, limit) - max(from, 0);
}
#endif
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int volume = place.n / out_depth;
    int front = (place.n - volume * out_depth) * stride_depth - pad_front;
    int top = place.band * LAYERS * stride_height - pad_top;
    int left = at.x * stride_width - pad_left;
    for (int r = 0; r < LAYERS; r++) rows[r] = START;
    int first_plane = max(front, 0);
    int last_plane = min(front + filter_depth, in_depth);
    int first_column = max(left, 0);
    int last_column = min(left + filter_width, in_width);
    for (int z = first_plane; z < last_plane; z++) {
        int row = (volume * in_depth + z) * in_bands * in_blocks + place.block;
        for (int dy = 0; dy < filter_height; dy++) {
            int y = top + dy;
            for (int x = first_column; x < last_column; x++) {
                for (int r = 0; r < LAYERS; r++) {
                    int h = y + r * stride_height;
                    if (h >= 0 && h < in_height)
                        rows[r] = taken(rows[r], x_tile(x, row + (h >> LAYERS_LOG2) * in_blocks, h & (LAYERS - 1)));
                }
            }
        }
    }
#ifndef MAXIMUM
    int places = (last_plane - first_plane) * (last_column - first_column);
    for (int r = 0; r < LAYERS; r++) {
        int count = places * inside(top + r * stride_height, filter_height, in_height);
        rows[r] /= VALUE(max(count, 1));
    }
#endif
}
