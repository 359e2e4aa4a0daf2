// The mean of a row of row_steps texels, and 1 / sqrt(variance + row_epsilon).
// Long sums are sums of short ones: rounding errors grow with the longer of the two only.
#define ROW_SUM(total, term) \
    vec4 total = vec4(0.0); \
    for (int step = 0; step < row_steps;) { \
        vec4 part = vec4(0.0); \
        int stop = min(step + 32, row_steps); \
        for (; step < stop; step++) part += term; \
        total += part; \
    }
vec4 squared(vec4 v) {
    return v * v;
}
vec2 mean_and_factor(int row) {
    int base = row * row_steps;
    float count = float(4 * row_steps);
    ROW_SUM(sums, x_texel(base + step))
    float mean = ((sums.x + sums.y) + (sums.z + sums.w)) / count;
    ROW_SUM(squares, squared(x_texel(base + step) - mean))
    float variance = ((squares.x + squares.y) + (squares.z + squares.w)) / count;
    return vec2(mean, 1.0 / sqrt(variance + row_epsilon));
}
