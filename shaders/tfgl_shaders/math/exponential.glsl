// requires: precise nan
// exp and expm1: x = n ln 2 + r (Cody and Waite's reduction), a minimax polynomial for exp(r) = 1 + r + r^2 P(r), 2^n by bits.
// The polynomial is this project's own Remez fit on |r| <= ln(2)/2, relative error 2^-28.
// Worst error in ulp, measured on llvmpipe: exp 1.03 (0.88), expm1 1.60; in parentheses with PRECISE.

// exp(r) - 1 for x = n ln 2 + r; r in two parts, of which the first is exact.
vec4 exp_series(vec4 x, out vec4 n) {
    n = floor(x * 1.44269504 + 0.5);
    PRECISE vec4 hi = x - n * 0.693359375;
    vec4 lo = n * 2.12194440e-4;
    vec4 r = hi + lo;
    vec4 p = (((0.00138189388 * r + 0.00836870354) * r + 0.0416682884) * r + 0.166665211) * r + 0.49999994;
    PRECISE vec4 v = hi + (r * r * p + lo);
    return v;
}

// exp(x) 2^d for -105 <= x <= 90; the factor 2^n in two steps, for it alone may overflow.
vec4 exp_scaled(vec4 x, int d) {
    vec4 n;
    // The maximum is never taken: it keeps compilers without PRECISE from adding the 1 to an inner term.
    vec4 p = max(exp_series(x, n), -0.5) + 1.0;
    ivec4 k = ivec4(n) + d;
    ivec4 h = k >> 1;
    return p * intBitsToFloat((h + 127) << 23) * intBitsToFloat((k - h + 127) << 23);
}

vec4 exp_exact(vec4 x) { return keep_nan(x, exp_scaled(clamp(x, -105.0, 90.0), 0)); }
float exp_exact(float x) { return exp_exact(vec4(x)).x; }

// 2^n (exp(r) - 1) + (2^n - 1), halved until the end so that 2^128 does not appear; for n = 0 half of it might be subnormal.
vec4 expm1_exact(vec4 x) {
    vec4 n;
    vec4 p = exp_series(clamp(x, -30.0, 89.0), n);
    vec4 t = intBitsToFloat((ivec4(n) + 126) << 23);
    PRECISE vec4 v = (t * p + (t - 0.5)) * 2.0;
    return keep_nan(x, mix(v, p, equal(n, vec4(0.0))));
}
float expm1_exact(float x) { return expm1_exact(vec4(x)).x; }
