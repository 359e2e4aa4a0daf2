// What each pixel of images [n, in_height, in_width, pixel_units] gave to dy [n, out_height, out_width, pixel_units]
// when they were resized. A unit is a texel (ALIGNED) or an element.
#ifdef ALIGNED
#define UNIT VALUE4
#define DY_UNIT(i) dy_texel(i)
#include "texel"
#define GRADIENT VALUE4 texel(int i)
#else
#define UNIT VALUE
#define DY_UNIT(i) dy_at(i)
#include "element"
#define GRADIENT VALUE element(int i)
#endif
#include "resize_source"
// The part of the pixel `at` in what the output line or column `place` was made of.
float share(int at, int place, float scale, int extent) {
#ifdef BILINEAR
    int first, last;
    float weight;
    mixed_source(place, scale, extent, first, last, weight);
    return (first == at ? 1.0 - weight : 0.0) + (last == at ? weight : 0.0);
#else
    return nearest_source(place, scale, extent) == at ? 1.0 : 0.0;
#endif
}
// The lines or columns whose position can be less than a pixel away, half a pixel's shift included, and a few around.
ivec2 reach(int at, float scale, int count) {
    if (scale == 0.0) return ivec2(0, count - 1);
    float first = floor((float(at) - 1.0) / scale) - 2.0;
    float last = ceil((float(at) + 1.5) / scale) + 2.0;
    return ivec2(max(first, 0.0), min(last, float(count - 1)));
}
GRADIENT {
    int pixel = i / pixel_units;
    int unit = i - pixel * pixel_units;
    int line = pixel / in_width;
    int n = line / in_height;
    int y = line - n * in_height;
    int x = pixel - line * in_width;
    ivec2 rows = reach(y, scale_height, out_height);
    ivec2 columns = reach(x, scale_width, out_width);
    UNIT total = UNIT(0);
    for (int h = rows.x; h <= rows.y; h++) {
        float down = share(y, h, scale_height, in_height);
        if (down == 0.0) continue;
        UNIT part = UNIT(0);
        for (int w = columns.x; w <= columns.y; w++) {
            float across = share(x, w, scale_width, in_width);
            if (across != 0.0) part += across * DY_UNIT(((n * out_height + h) * out_width + w) * pixel_units + unit);
        }
        total += down * part;
    }
    return total;
}
