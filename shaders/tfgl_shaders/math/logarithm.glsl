// requires: precise nan
// log and log1p: the argument is 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), and log(1 + f) = f - f^2/2 + f^3 P(f)
// (Cephes' form; ln 2 in two parts as Cody and Waite). P is this project's own Remez fit, relative error 2^-27.
// Subnormal arguments count as 0, as with TensorFlow on a CPU.
// Worst error in ulp, measured on llvmpipe: log 0.85, log1p 1.41.
vec4 log_series(vec4 f, vec4 k) {
    vec4 z = f * f;
    vec4 p = -0.0763644949 * f + 0.127662078;
    p = (((((p * f - 0.13161464) * f + 0.142011762) * f - 0.1662319) * f + 0.200012505) * f - 0.250008255) * f + 0.333333313;
    PRECISE vec4 v = (((f * z * p - k * 2.12194440e-4) - 0.5 * z) + f) + k * 0.693359375;
    return v;
}

vec4 log_exact(vec4 x) {
    ivec4 b = floatBitsToInt(x);
    ivec4 i = b - 0x3F3504F3;
    vec4 m = intBitsToFloat((i & 0x7FFFFF) + 0x3F3504F3);
    vec4 v = log_series(m - 1.0, vec4(i >> 23));
    v = mix(v, x, greaterThanEqual(b, ivec4(0x7F800000)));
    v = mix(v, vec4(NOT_A_NUMBER), lessThan(b, ivec4(0)));
    return mix(v, vec4(NEGATIVE_INFINITY), lessThan(b & 0x7FFFFFFF, ivec4(0x00800000)));
}
float log_exact(float x) { return log_exact(vec4(x)).x; }

// log(1 + x) + extra ln 2 for finite x > -1. f = (1 + x) 2^-k - 1 is rounded once, in x 2^-k + (2^-k - 1):
// 1 + x serves to choose k only. 2^-k in two factors, k may be 128.
vec4 log1p_series(vec4 x, vec4 c) {
    ivec4 k = (floatBitsToInt(1.0 + x) - 0x3F3504F3) >> 23;
    ivec4 h = k >> 1;
    vec4 s = intBitsToFloat((127 - h) << 23);
    vec4 t = intBitsToFloat((127 - (k - h)) << 23);
    PRECISE vec4 f = x * s * t + (s * t - 1.0);
    return log_series(f, vec4(k) + c);
}

vec4 log1p_exact(vec4 x) {
    vec4 v = log1p_series(x, vec4(0.0));
    v = mix(v, x, greaterThanEqual(floatBitsToInt(x), ivec4(0x7F800000)));
    v = mix(v, vec4(NEGATIVE_INFINITY), equal(x, vec4(-1.0)));
    return keep_nan(x, mix(v, vec4(NOT_A_NUMBER), lessThan(x, vec4(-1.0))));
}
float log1p_exact(float x) { return log1p_exact(vec4(x)).x; }
