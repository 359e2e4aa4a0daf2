// Flat images [n, in_height, in_width, pixel_units] to [n, out_height, out_width, pixel_units];
// a unit is a texel (ALIGNED) or an element.
#ifdef ALIGNED
#define UNIT VALUE4
#define IMAGES_UNIT(i) VALUE4(images_texel(i))
#include "texel"
#define RESIZED VALUE4 texel(int i)
#else
#define UNIT VALUE
#define IMAGES_UNIT(i) VALUE(images_at(i))
#include "element"
#define RESIZED VALUE element(int i)
#endif
#include "resize_source"
RESIZED {
    int pixel = i / pixel_units;
    int unit = i - pixel * pixel_units;
    int line = pixel / out_width;
    int column = pixel - line * out_width;
    int n = line / out_height;
    int h = line - n * out_height;
#ifdef BILINEAR
    int top, bottom, left, right;
    float down, across;
    mixed_source(h, scale_height, in_height, top, bottom, down);
    mixed_source(column, scale_width, in_width, left, right, across);
    top = (n * in_height + top) * in_width;
    bottom = (n * in_height + bottom) * in_width;
    UNIT top_left = IMAGES_UNIT((top + left) * pixel_units + unit);
    UNIT top_right = IMAGES_UNIT((top + right) * pixel_units + unit);
    UNIT bottom_left = IMAGES_UNIT((bottom + left) * pixel_units + unit);
    UNIT bottom_right = IMAGES_UNIT((bottom + right) * pixel_units + unit);
    UNIT upper = top_left + (top_right - top_left) * across;
    UNIT lower = bottom_left + (bottom_right - bottom_left) * across;
    return upper + (lower - upper) * down;
#else
    int y = nearest_source(h, scale_height, in_height);
    int x = nearest_source(column, scale_width, in_width);
    return IMAGES_UNIT(((n * in_height + y) * in_width + x) * pixel_units + unit);
#endif
}
