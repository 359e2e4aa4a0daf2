// requires: nan exponential
// erf: x + x P(x^2) up to 1, from there 1 - exp(-x Q(x)); P and Q are this project's own Remez fits
// (relative error 2^-29.4 and 2^-31). From 4 on the result is 1.
// Worst error in ulp, measured on llvmpipe: 1.23.
vec4 erf_exact(vec4 x) {
    vec4 a = min(abs(x), 4.0);
    vec4 z = a * a;
    vec4 p = ((7.80690316e-5 * z - 0.00079978531) * z + 0.0051871622) * z - 0.0268533472;
    p = ((p * z + 0.112835787) * z - 0.37612626) * z + 0.128379166;
    vec4 q = ((1.3342099e-5 * a - 0.00034419063) * a + 0.00373058068) * a - 0.0239511449;
    q = ((q * a + 0.106459834) * a + 0.635014236) * a + 1.12868285;
    vec4 far = 1.0 - exp_scaled(-a * q, 0);
    // Near 0 the product x P would be subnormal, and flushed, before the sum.
    vec4 nr = mix(x * p + x, x * 1.12837917, lessThan(a, vec4(1e-30)));
    vec4 v = mix(mix(far, -far, lessThan(x, vec4(0.0))), nr, lessThan(a, vec4(1.0)));
    return keep_nan(x, v);
}
float erf_exact(float x) { return erf_exact(vec4(x)).x; }
