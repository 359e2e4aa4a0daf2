// requires: nan exponential
// sigmoid: e = exp(-|x|) never overflows. 1 - e/(1 + e) on the right of 0; on its left, where the result is small,
// e - e e/(1 + e): the rounding of 1 + e then weighs little.
// Worst error in ulp, measured on llvmpipe: 1.84.
vec4 sigmoid_exact(vec4 x) {
    vec4 e = exp_scaled(max(-abs(x), -105.0), 0);
    vec4 a = mix(vec4(1.0), e, lessThan(x, vec4(0.0)));
    return keep_nan(x, a - a * (e / (1.0 + e)));
}
float sigmoid_exact(float x) { return sigmoid_exact(vec4(x)).x; }
