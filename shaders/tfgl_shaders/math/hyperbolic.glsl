// requires: nan exponential
// tanh, sinh, cosh from exp (Cephes' split: a polynomial near 0, where the exponentials would cancel).
// The polynomials in x^2 are this project's own Remez fits: tanh 2^-27.7 on |x| < 0.625, sinh 2^-31 on |x| < 1.
// Worst error in ulp, measured on llvmpipe: tanh 1.35, sinh 1.62, cosh 1.49.
vec4 tanh_exact(vec4 x) {
    vec4 a = abs(x);
    vec4 z = x * x;
    vec4 p = (((-0.0056922962 * z + 0.0206281673) * z - 0.0537365153) * z + 0.133314058) * z - 0.333332807;
    vec4 far = 1.0 - 2.0 / (exp_scaled(min(a, 10.0) * 2.0, 0) + 1.0);
    vec4 v = mix(mix(far, -far, lessThan(x, vec4(0.0))), x * z * p + x, lessThan(a, vec4(0.625)));
    return keep_nan(x, v);
}
float tanh_exact(float x) { return tanh_exact(vec4(x)).x; }

// E = exp(|x|) / 2 does not overflow before sinh and cosh do.
vec4 sinh_exact(vec4 x) {
    vec4 a = abs(x);
    vec4 z = x * x;
    vec4 p = ((2.78232119e-6 * z + 0.000198428868) * z + 0.00833331048) * z + 0.166666672;
    vec4 e = exp_scaled(min(a, 90.0), -1);
    vec4 far = e - 0.25 / e;
    vec4 v = mix(mix(far, -far, lessThan(x, vec4(0.0))), x * z * p + x, lessThan(a, vec4(1.0)));
    return keep_nan(x, v);
}
float sinh_exact(float x) { return sinh_exact(vec4(x)).x; }

vec4 cosh_exact(vec4 x) {
    vec4 e = exp_scaled(min(abs(x), 90.0), -1);
    return keep_nan(x, e + 0.25 / e);
}
float cosh_exact(float x) { return cosh_exact(vec4(x)).x; }
