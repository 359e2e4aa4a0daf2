// requires: nan
// Quotients, roots and their reciprocals; floored quotients and remainders as TensorFlow's FloorDiv and FloorMod.
// GLSL grants a division 2.5 ulp, and none where the divisor's reciprocal is subnormal.
// Measured on llvmpipe: quotients and square roots correctly rounded, rsqrt 1.49; floored ones exact.
vec4 leading_half(vec4 v) { return intBitsToFloat(floatBitsToInt(v) & -4096); }

// Divisors over 2^125 are scaled down together with the dividend.
vec4 divide_exact(vec4 x, vec4 y) {
    vec4 c = mix(vec4(1.0), vec4(0.0625), greaterThan(abs(y), vec4(4.2e37)));
    return (x * c) / (y * c);
}
float divide_exact(float x, float y) { return divide_exact(vec4(x), vec4(y)).x; }
vec4 reciprocal_exact(vec4 x) { return 1.0 / x; }
float reciprocal_exact(float x) { return 1.0 / x; }

vec4 rsqrt_exact(vec4 x) { return inversesqrt(x); }
float rsqrt_exact(float x) { return 1.0 / sqrt(x); }
vec4 sqrt_exact(vec4 x) { return keep_nan(x, mix(sqrt(x), vec4(NOT_A_NUMBER), lessThan(x, vec4(0.0)))); }
float sqrt_exact(float x) { return sqrt_exact(vec4(x)).x; }

// x - q y, exact as long as it is representable (Dekker's product: halves of 12 bits).
vec4 residual(vec4 x, vec4 q, vec4 y) {
    vec4 qh = leading_half(q);
    vec4 ql = q - qh;
    vec4 yh = leading_half(y);
    vec4 yl = y - yh;
    return (((x - qh * yh) - qh * yl) - ql * yh) - ql * yl;
}

// Where the driver's quotient misses a whole number that is exact, that number counts.
vec4 floor_div(vec4 x, vec4 y) {
    vec4 q = divide_exact(x, y);
    vec4 n = floor(q + 0.5);
    return mix(floor(q), n, equal(residual(x, n, y), vec4(0.0)));
}
float floor_div(float x, float y) { return floor_div(vec4(x), vec4(y)).x; }

// C's fmod is exact, whatever the quotient: long division, 20 bits of it at a time, then the divisor's sign.
vec4 floor_mod(vec4 x, vec4 y) {
    vec4 a = abs(x);
    vec4 b = abs(y);
    bvec4 bad = bvec4(ivec4(not(is_finite(x))) + ivec4(is_nan(y)) + ivec4(lessThan(floatBitsToInt(b), ivec4(0x00800000))));
    b = mix(b, vec4(1.0), bad);
    vec4 r = mix(a, vec4(0.0), bad);
    for (int i = 0; i < 16 && any(greaterThanEqual(r, b)); i++) {
        ivec4 gap = (floatBitsToInt(r) >> 23) - (floatBitsToInt(b) >> 23) - 20;
        vec4 c = mix(b, intBitsToFloat(floatBitsToInt(b) + (gap << 23)), greaterThan(gap, ivec4(0)));
        vec4 e = residual(r, floor(r / c), c);
        e += mix(vec4(0.0), c, lessThan(e, vec4(0.0)));
        e -= mix(vec4(0.0), c, greaterThanEqual(e, c));
        r = mix(r, e, greaterThanEqual(r, b));
    }
    r = mix(r, -r, lessThan(x, vec4(0.0)));
    r += mix(vec4(0.0), y, lessThan(sign(r) * sign(y), vec4(0.0)));
    return mix(r, vec4(NOT_A_NUMBER), bad);
}
float floor_mod(float x, float y) { return floor_mod(vec4(x), vec4(y)).x; }
