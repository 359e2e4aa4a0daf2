// Tiled x inside a frame: a constant (pad_mode 0), or height and width mirrored with (2) or without (1) the border.
#include "tile"
#include "place"
#include "lines"
int inside(int at, int extent) {
    if (pad_mode != 0) {
        int shift = pad_mode - 1;
        if (at < 0) at = -at - shift;
        if (at >= extent) at = 2 * (extent - 1) + shift - at;
    }
    return at;
}
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int n = place.n - pad_batch;
    int block = place.block - pad_blocks;
    int w = inside(at.x - pad_left, in_width);
    bool within = n >= 0 && n < in_batch && block >= 0 && block < in_blocks && w >= 0 && w < in_width;
    int row = n * in_bands * in_blocks + block;
    EACH_LINE(r) {
        int h = inside(place.band * LAYERS + r - pad_top, in_height);
        VALUE4 v = VALUE4(pad_value);
        if (within && h >= 0 && h < in_height) {
            v = x_tile(w, row + (h >> LAYERS_LOG2) * in_blocks, h & (LAYERS - 1));
        }
        NEXT_LINE(v)
    }
}
