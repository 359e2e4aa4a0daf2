// requires: precise nan
// asin, acos, atan, atan2: polynomials in the square, this project's own Remez fits (asin on [0, 1/2] 2^-27.6, atan on [0, 1] 2^-28.5).
// asin(x) = pi/2 - 2 asin(sqrt((1 - x)/2)) from 1/2 on, atan(x) = pi/2 - atan(1/x) from 1 on, pi/2 in two parts
// (the identities of fdlibm and Cephes).
// Worst error in ulp, measured on llvmpipe: asin 0.70, acos 1.52, atan 1.52, atan2 1.50.
vec4 asin_series(vec4 z) {
    return ((((0.0421664044 * z + 0.0241807755) * z + 0.0454697721) * z + 0.0749530643) * z + 0.166667521) * z;
}

vec4 asin_exact(vec4 x) {
    vec4 a = abs(x);
    bvec4 far = greaterThan(a, vec4(0.5));
    vec4 z = mix(x * x, 0.5 - 0.5 * a, far);
    // The root in two parts, the first of 12 bits.
    vec4 s = sqrt(z);
    vec4 sh = intBitsToFloat(floatBitsToInt(s) & -4096);
    vec4 sl = mix(vec4(0.0), (z - sh * sh) / (s + sh), greaterThan(z, vec4(0.0)));
    vec4 hi = mix(a, 1.57079637 - 2.0 * sh, far);
    vec4 lo = mix(vec4(0.0), -4.37113883e-8 - 2.0 * sl, far);
    s = mix(a, -2.0 * s, far);
    PRECISE vec4 v = hi + (s * asin_series(z) + lo);
    v = mix(v, -v, lessThan(x, vec4(0.0)));
    return keep_nan(x, mix(v, vec4(NOT_A_NUMBER), greaterThan(a, vec4(1.0))));
}
float asin_exact(float x) { return asin_exact(vec4(x)).x; }

// pi/2 - asin(x) | 2 asin(sqrt((1 - x)/2)) | pi - 2 asin(sqrt((1 + x)/2))
vec4 acos_exact(vec4 x) {
    vec4 a = abs(x);
    bvec4 far = greaterThan(a, vec4(0.5));
    bvec4 neg = lessThan(x, vec4(0.0));
    vec4 z = mix(x * x, 0.5 - 0.5 * a, far);
    vec4 s = 2.0 * sqrt(z);
    s = mix(-x, mix(s, -s, neg), far);
    vec4 n = mix(vec4(1.0), mix(vec4(0.0), vec4(2.0), neg), far);
    PRECISE vec4 v = (n * 1.57079637 + s) + (s * asin_series(z) + n * -4.37113883e-8);
    return keep_nan(x, mix(v, vec4(NOT_A_NUMBER), greaterThan(a, vec4(1.0))));
}
float acos_exact(float x) { return acos_exact(vec4(x)).x; }

// turns pi/2 + sign atan(t), 0 <= t <= 1
vec4 atan_series(vec4 t, vec4 n, bvec4 neg) {
    vec4 z = t * t;
    vec4 p = ((-0.00178270042 * z + 0.0108682672) * z - 0.0310964193) * z + 0.0578810163;
    p = ((((p * z - 0.0839929432) * z + 0.10950879) * z - 0.142640159) * z + 0.199985296) * z - 0.333332986;
    vec4 s = mix(t, -t, neg);
    PRECISE vec4 v = n * 1.57079637 + (s + (s * z * p + n * -4.37113883e-8));
    return v;
}

vec4 atan_exact(vec4 x) {
    vec4 a = abs(x);
    bvec4 far = greaterThan(a, vec4(1.0));
    vec4 v = atan_series(mix(a, 1.0 / a, far), vec4(far), far);
    return keep_nan(x, mix(v, -v, lessThan(x, vec4(0.0))));
}
float atan_exact(float x) { return atan_exact(vec4(x)).x; }

// C99's special cases: the signs of zeros count, two infinities make odd multiples of pi/4.
vec4 atan2_exact(vec4 y, vec4 x) {
    vec4 a = abs(x);
    vec4 b = abs(y);
    bvec4 up = greaterThan(b, a);
    bvec4 lft = lessThan(floatBitsToInt(x), ivec4(0));
    vec4 big = max(a, b);
    // Where 1/big would be subnormal.
    vec4 c = mix(vec4(1.0), vec4(0.0625), greaterThan(big, vec4(8.5e37)));
    vec4 t = (min(a, b) * c) / (big * c);
    t = mix(t, vec4(1.0), equal(a, b));
    t = mix(t, vec4(0.0), equal(b, vec4(0.0)));
    vec4 n = mix(mix(vec4(0.0), vec4(2.0), lft), vec4(1.0), up);
    vec4 v = atan_series(t, n, notEqual(up, lft));
    v = intBitsToFloat(floatBitsToInt(v) | (floatBitsToInt(y) & (-0x7FFFFFFF - 1)));
    return keep_nan(x, keep_nan(y, v));
}
float atan2_exact(float y, float x) { return atan2_exact(vec4(y), vec4(x)).x; }
