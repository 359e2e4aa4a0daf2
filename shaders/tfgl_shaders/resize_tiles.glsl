// Tiled images to tiled images of another height and width.
#include "tile"
#include "place"
#include "lines"
#include "resize_source"
VALUE4 pixel(int x, int y, int row) {
    return VALUE4(images_tile(x, row + (y >> LAYERS_LOG2) * in_blocks, y & (LAYERS - 1)));
}
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int row = place.n * in_bands * in_blocks + place.block;
#ifdef BILINEAR
    int left, right;
    float across;
    mixed_source(at.x, scale_width, in_width, left, right, across);
#else
    int x = nearest_source(at.x, scale_width, in_width);
#endif
    EACH_LINE(r) {
        int h = place.band * LAYERS + r;
#ifdef BILINEAR
        int top, bottom;
        float down;
        mixed_source(h, scale_height, in_height, top, bottom, down);
        VALUE4 top_left = pixel(left, top, row);
        VALUE4 bottom_left = pixel(left, bottom, row);
        VALUE4 upper = top_left + (pixel(right, top, row) - top_left) * across;
        VALUE4 lower = bottom_left + (pixel(right, bottom, row) - bottom_left) * across;
        NEXT_LINE(upper + (lower - upper) * down)
#else
        NEXT_LINE(pixel(x, nearest_source(h, scale_height, in_height), row))
#endif
    }
}
