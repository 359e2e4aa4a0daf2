// Of each row, one texel: its largest value and the sum of exp(value - largest).
// Rows run along the middle of [outer, row_size, row_inner]; output texel part * row_count + row covers
// chunk_size steps of four elements: texels where row_path is 1 (row_inner is 1, row_size divides by 4).
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
// Four values; beyond the end of the row -inf, which adds nothing.
vec4 values_at(int base, int step) {
    if (row_path == 1) return x_texel(base + step);
    int at = base + step * 4 * row_inner;
    int left = row_size - step * 4;
    vec4 v = vec4(NEGATIVE_INFINITY);
    v.x = x_at(at);
    if (left > 1) v.y = x_at(at + row_inner);
    if (left > 2) v.z = x_at(at + 2 * row_inner);
    if (left > 3) v.w = x_at(at + 3 * row_inner);
    return v;
}
vec4 texel(int t) {
    int part = t / row_count;
    int row = t - part * row_count;
    int first = part * chunk_size;
    int last = min(first + chunk_size, row_steps);
    int outer = row / row_inner;
    int base = row_path == 1 ? row * row_steps : outer * (row_size - 1) * row_inner + row;
    vec4 most = vec4(NEGATIVE_INFINITY);
    for (int step = first; step < last; step++) most = larger(most, values_at(base, step));
    most = larger(most, most.zwxy);
    most = larger(most, most.yxwz);
    vec4 total = vec4(0.0);
    for (int step = first; step < last;) {
        vec4 sum = vec4(0.0);
        int stop = min(step + 32, last);
        for (; step < stop; step++) sum += exp_exact(values_at(base, step) - most);
        total += sum;
    }
    float all = (total.x + total.y) + (total.z + total.w);
    return vec4(most.x, all, log_exact(all), 0.0);
}
#endif
