// Of each row, one texel: its largest value and the sum of exp(value - largest).
// Output texel part * row_count + row covers chunk_size steps of the row: see softmax_steps.
// With PARTS the input holds the texels of row_parts parts, which are put together.
#include "texel"
#include "arithmetic"
#include "math/exponential"
#include "math/logarithm"
#ifdef PARTS
vec4 texel(int row) {
    float top = NEGATIVE_INFINITY;
    for (int p = 0; p < row_parts; p++) top = larger(vec4(top), x_texel(p * row_count + row)).x;
    float total = 0.0;
    for (int p = 0; p < row_parts; p++) {
        vec4 part = x_texel(p * row_count + row);
        // A part of nothing but -inf has a sum that is NaN, and no weight beside the others.
        float weight = part.x == top ? 1.0 : exp_exact(part.x - top);
        if (weight != 0.0) total += part.y * weight;
    }
    return vec4(top, total, log_exact(total), 0.0);
}
#else
#include "softmax_steps"
vec4 texel(int t) {
    int part = t / row_count;
    vec2 row = most_and_sum(t - part * row_count, part * chunk_size);
    return vec4(row, log_exact(row.y), 0.0);
}
#endif
