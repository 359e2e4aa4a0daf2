// Of each row, one texel: its largest value and the sum of exp(value - largest).
// Rows run along the middle of [outer, row_size, row_inner]; output texel part * row_count + row covers
// chunk_size steps: elements, or texels where row_path is 1 (row_inner is 1, row_size divides by 4).
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
vec4 values_at(int base, int step) {
    return row_path == 1 ? x_texel(base + step) : vec4(x_at(base + step * row_inner));
}
vec4 texel(int t) {
    int part = t / row_count;
    int row = t - part * row_count;
    int first = part * chunk_size;
    int last = min(first + chunk_size, row_steps);
    int outer = row / row_inner;
    int base = row_path == 1 ? row * row_steps : outer * (row_steps - 1) * row_inner + row;
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
    float all = row_path == 1 ? (total.x + total.y) + (total.z + total.w) : total.x;
    return vec4(most.x, all, log_exact(all), 0.0);
}
#endif
