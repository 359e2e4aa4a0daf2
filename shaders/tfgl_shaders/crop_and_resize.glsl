// Crops [boxes, out_height, out_width, pixel_units] of image [n, in_height, in_width, pixel_units]; a unit is a
// texel (ALIGNED) or an element. A box is (y1, x1, y2, x2), 0 the first and 1 the last line or column.
#ifdef ALIGNED
#define UNIT VALUE4
#define IMAGE_UNIT(i) VALUE4(image_texel(i))
#include "texel"
#define CROPPED VALUE4 texel(int i)
#else
#define UNIT VALUE
#define IMAGE_UNIT(i) VALUE(image_at(i))
#include "element"
#define CROPPED VALUE element(int i)
#endif
#include "half_up"
// The last one is the box's own end: adding up steps could miss the image's edge by a rounding. A box that
// begins at NaN or infinity has no place inside, which the sum tells.
float position(int at, int count, float first, float last, int extent, float ratio) {
    float most = float(extent - 1);
    if (count == 1) return 0.5 * (first + last) * most;
    if (at == count - 1 && abs(first) <= 3.0e38) return last * most;
    return first * most + float(at) * ((last - first) * ratio);
}
CROPPED {
    int pixel = i / pixel_units;
    int unit = i - pixel * pixel_units;
    int line = pixel / out_width;
    int column = pixel - line * out_width;
    int box = line / out_height;
    int h = line - box * out_height;
    int n = indices_at(box);
    if (n < 0 || n >= in_batch) return UNIT(0);
    vec4 corners = boxes_texel(box);
    float y = position(h, out_height, corners.x, corners.z, in_height, ratio_height);
    float x = position(column, out_width, corners.y, corners.w, in_width, ratio_width);
    // Not what is outside, negated: a place that is NaN is not inside.
    bool inside = y >= 0.0 && y <= float(in_height - 1) && x >= 0.0 && x <= float(in_width - 1);
    if (!inside) return UNIT(outside_value);
    int base = n * in_height;
#ifdef BILINEAR
    int top = (base + int(floor(y))) * in_width;
    int bottom = (base + int(ceil(y))) * in_width;
    int left = int(floor(x));
    int right = int(ceil(x));
    float across = x - floor(x);
    float down = y - floor(y);
    UNIT top_left = IMAGE_UNIT((top + left) * pixel_units + unit);
    UNIT top_right = IMAGE_UNIT((top + right) * pixel_units + unit);
    UNIT bottom_left = IMAGE_UNIT((bottom + left) * pixel_units + unit);
    UNIT bottom_right = IMAGE_UNIT((bottom + right) * pixel_units + unit);
    UNIT upper = top_left + (top_right - top_left) * across;
    UNIT lower = bottom_left + (bottom_right - bottom_left) * across;
    return upper + (lower - upper) * down;
#else
    return IMAGE_UNIT(((base + half_up(y)) * in_width + half_up(x)) * pixel_units + unit);
#endif
}
