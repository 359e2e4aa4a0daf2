// Real parts (wanted_part 0) or imaginary ones of what a convolution with a chirp gives: pairs [lines, line_size], of
// which the first fft_size count, times the chirp and fft_scale.
#include "element"
#include "root_of_one"
#include "chirp_factor"
float element(int i) {
    int line = i / fft_size;
    int n = i - line * fft_size;
    int at = line * line_size + n;
    vec4 two = x_texel(at >> 1);
    vec2 v = (at & 1) == 0 ? two.xy : two.zw;
    vec2 c = chirp(n);
    return fft_scale * (wanted_part == 0 ? v.x * c.x - v.y * c.y : v.x * c.y + v.y * c.x);
}
