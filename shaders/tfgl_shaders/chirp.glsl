// Fourier transforms of any length as a convolution with a chirp (Bluestein): n k = (n^2 + k^2 - (k - n)^2) / 2. Numbers
// are pairs (real, imaginary), two of them a texel; `line_size` of them a line, fft_size of which count.
// SPREAD  `real` and `imag` [lines, fft_size] times the chirp, zeros behind
// FILTER  the chirp turned back, from its middle on, and round the end of the line
// TIMES   the product of each line of x with the one line `filter`
#include "texel"
#include "root_of_one"
vec2 product(vec2 a, vec2 b) {
    return vec2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}
#ifdef TIMES
vec4 texel(int t) {
    int texels = line_size / 2;
    vec4 a = x_texel(t);
    vec4 b = filter_texel(t - t / texels * texels);
    return vec4(product(a.xy, b.xy), product(a.zw, b.zw));
}
#else
#include "chirp_factor"
vec2 spread(int i) {
#ifdef FILTER
    int n = min(i, line_size - i);
    return n < fft_size ? chirp(n) * vec2(1.0, -1.0) : vec2(0.0);
#else
    int line = i / line_size;
    int n = i - line * line_size;
    if (n >= fft_size) return vec2(0.0);
    int at = line * fft_size + n;
    return product(vec2(real_at(at), imag_at(at)), chirp(n));
#endif
}
vec4 texel(int t) {
    return vec4(spread(2 * t), spread(2 * t + 1));
}
#endif
