// Images [n, in_height, in_width, pixel_units] seen through projective maps: the output pixel (x, y) is read at
// ((a x + b y + c) / k, (d x + e y + f) / k), k = g x + h y + 1, with a..h in a row of transforms. A unit is a texel
// (ALIGNED) or an element. fill_mode says what lies beyond the edges: 0 outside_value, 1 the image mirrored with its
// border, 2 the image again, 3 the nearest pixel.
#ifdef ALIGNED
#define UNIT VALUE4
#define IMAGE_UNIT(i) image_texel(i)
#include "texel"
#define TRANSFORMED VALUE4 texel(int i)
#else
#define UNIT VALUE
#define IMAGE_UNIT(i) image_at(i)
#include "element"
#define TRANSFORMED VALUE element(int i)
#endif
#if defined(INT_OUTPUT) && defined(ALIGNED)
#define MIXED vec4
#elif defined(INT_OUTPUT)
#define MIXED float
#else
#define MIXED UNIT
#endif
#include "math/precise"
// Where a position beyond the edges of `extent` pixels is read, in single precision as TensorFlow computes it.
float mapped(float at, float extent) {
    if (fill_mode == 0) return at;
    float most = extent - 1.0;
    if (fill_mode != 3 && extent > 1.0 && (at < 0.0 || at > most)) {
        if (fill_mode == 1) {
            float period = 2.0 * extent;
            at -= period * trunc(at / period);
            if (at < 0.0) at = at < -extent ? at + period : -at - 1.0;
            else if (at >= extent) at = period - at - 1.0;
        } else {
            at -= extent * (trunc(at / most) - (at < 0.0 ? 1.0 : 0.0));
        }
    }
    return extent > 1.0 ? clamp(at, 0.0, most) : 0.0;
}
// Halves go away from zero. Adding 0.5 to the position instead could round up what is below a half.
float nearest(float at) {
    float size = abs(at);
    float below = floor(size);
    return sign(at) * (size - below >= 0.5 ? below + 1.0 : below);
}
UNIT pixel_at(int n, float y, float x, int unit) {
    // Not what is outside, negated: a place that is NaN is not inside.
    bool inside = y >= 0.0 && y < float(in_height) && x >= 0.0 && x < float(in_width);
    if (!inside) return UNIT(outside_value);
    return IMAGE_UNIT(((n * in_height + int(y)) * in_width + int(x)) * pixel_units + unit);
}
TRANSFORMED {
    int pixel = i / pixel_units;
    int unit = i - pixel * pixel_units;
    int line = pixel / out_width;
    int n = line / out_height;
    float column = float(pixel - line * out_width);
    float row = float(line - n * out_height);
    int map = 2 * n * transform_step;
    vec4 abcd = transforms_texel(map);
    vec4 efgh = transforms_texel(map + 1);
    PRECISE float divisor = efgh.z * column + efgh.w * row + 1.0;
    if (divisor == 0.0) return UNIT(outside_value);
    PRECISE float across = abcd.x * column + abcd.y * row + abcd.z;
    PRECISE float down = abcd.w * column + efgh.x * row + efgh.y;
    float x = mapped(across / divisor, float(in_width));
    float y = mapped(down / divisor, float(in_height));
#ifdef BILINEAR
    float left = floor(x);
    float top = floor(y);
    MIXED upper = (left + 1.0 - x) * MIXED(pixel_at(n, top, left, unit)) + (x - left) * MIXED(pixel_at(n, top, left + 1.0, unit));
    MIXED lower = (left + 1.0 - x) * MIXED(pixel_at(n, top + 1.0, left, unit)) + (x - left) * MIXED(pixel_at(n, top + 1.0, left + 1.0, unit));
    return UNIT((top + 1.0 - y) * upper + (y - top) * lower);
#else
    return pixel_at(n, nearest(y), nearest(x), unit);
#endif
}
