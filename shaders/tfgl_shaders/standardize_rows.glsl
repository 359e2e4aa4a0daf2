// Of each row of row_size elements, one texel: its mean and 1 / sqrt(variance + epsilon).
// The variance is that of differences from the mean, and sums are taken in blocks: both keep rounding small.
#include "texel"
#define STEPS ((row_size + 3) / 4)
// Four differences from a value; beyond the end of the row none.
vec4 difference(int row, int step, float middle) {
#ifdef ALIGNED
    return x_texel(row * STEPS + step) - middle;
#else
    int at = row * row_size + 4 * step;
    int left = row_size - 4 * step;
    vec4 v = vec4(0.0);
    v.x = x_at(at) - middle;
    if (left > 1) v.y = x_at(at + 1) - middle;
    if (left > 2) v.z = x_at(at + 2) - middle;
    if (left > 3) v.w = x_at(at + 3) - middle;
    return v;
#endif
}
vec4 texel(int row) {
    float mean = 0.0;
    float result = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        vec4 total = vec4(0.0);
        for (int step = 0; step < STEPS;) {
            vec4 part = vec4(0.0);
            int stop = min(step + 32, STEPS);
            for (; step < stop; step++) {
                vec4 v = difference(row, step, mean);
                part += pass == 0 ? v : v * v;
            }
            total += part;
        }
        result = ((total.x + total.y) + (total.z + total.w)) / float(row_size);
        if (pass == 0) mean = result;
    }
    return vec4(mean, 1.0 / sqrt(result + epsilon), 0.0, 0.0);
}
