// requires: nan logarithm
// asinh, acosh, atanh through log1p, so that nothing cancels near 0 or 1 (the formulas of fdlibm).
// From 2^28 on asinh and acosh are log(x) + ln 2: x^2 would overflow later.
// Worst error in ulp, measured on llvmpipe: asinh 1.78, acosh 2.02 (two in 24 million beyond 2), atanh 1.73.
vec4 asinh_exact(vec4 x) {
    vec4 a = abs(x);
    bvec4 big = greaterThan(a, vec4(268435456.0));
    vec4 z = a * a;
    vec4 t = mix(a + z / (1.0 + sqrt(1.0 + z)), a, big);
    vec4 v = log1p_series(t, vec4(big));
    v = mix(v, -v, lessThan(x, vec4(0.0)));
    return mix(x, v, is_finite(x));
}
float asinh_exact(float x) { return asinh_exact(vec4(x)).x; }

vec4 acosh_exact(vec4 x) {
    bvec4 big = greaterThan(x, vec4(268435456.0));
    vec4 t = x - 1.0;
    vec4 v = log1p_series(mix(t + sqrt(t * t + (t + t)), x, big), vec4(big));
    v = mix(v, x, is_inf(x));
    return keep_nan(x, mix(v, vec4(NOT_A_NUMBER), lessThan(x, vec4(1.0))));
}
float acosh_exact(float x) { return acosh_exact(vec4(x)).x; }

vec4 atanh_exact(vec4 x) {
    vec4 a = abs(x);
    vec4 t = a + a;
    vec4 v = 0.5 * log1p_series(t + t * a / (1.0 - a), vec4(0.0));
    v = mix(v, -v, lessThan(x, vec4(0.0)));
    v = mix(v, mix(vec4(POSITIVE_INFINITY), vec4(NEGATIVE_INFINITY), lessThan(x, vec4(0.0))), equal(a, vec4(1.0)));
    return keep_nan(x, mix(v, vec4(NOT_A_NUMBER), greaterThan(a, vec4(1.0))));
}
float atanh_exact(float x) { return atanh_exact(vec4(x)).x; }
