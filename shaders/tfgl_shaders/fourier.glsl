// One stage of a Fourier transform of lines of fft_size complex numbers (Stockham's order, any radix): transforms of
// `stage_length` of every (fft_size / stage_length)th number become ones of stage_length * radix. Two neighbouring
// numbers, (real, imaginary) each, are a texel. With SEPARATE the input is the two tensors `real` and `imag`.
#include "texel"
#include "root_of_one"
vec2 number_at(int i) {
#ifdef SEPARATE
    return vec2(real_at(i), imag_at(i));
#else
    vec4 two = x_texel(i >> 1);
    return (i & 1) == 0 ? two.xy : two.zw;
#endif
}
vec2 transformed(int i) {
    int line = i / fft_size;
    int place = i - line * fft_size;
    int length = stage_length * radix;
    int apart = fft_size / length;
    int frequency = place / apart;
    int at = line * fft_size + (frequency % stage_length) * apart * radix + place - frequency * apart;
    int turn = 0;
    vec2 total = vec2(0.0);
    for (int j = 0; j < radix;) {
        // A long sum of short sums: rounding errors grow with the longer of the two only.
        vec2 part = vec2(0.0);
        int stop = min(j + 32, radix);
        for (; j < stop; j++) {
            vec2 v = number_at(at);
            vec2 root = root_of_one(turn, length);
            root.y *= fft_sign;
            part += vec2(v.x * root.x - v.y * root.y, v.x * root.y + v.y * root.x);
            at += apart;
            turn += frequency;
            if (turn >= length) turn -= length;
        }
        total += part;
    }
    return total * fft_scale;
}
vec4 texel(int t) {
    vec4 value = vec4(transformed(2 * t), 0.0, 0.0);
    if (4 * t + 2 < out_size) value.zw = transformed(2 * t + 1);
    return value;
}
