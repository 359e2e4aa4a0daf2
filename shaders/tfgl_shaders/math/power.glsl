// requires: precise nan
// pow: 2^(y log2 x) with log2 x in two parts (the scheme of fdlibm: s = (m - c)/(m + c), parts masked to 12 bits so that
// their products are exact). Polynomials: this project's own Remez fits, relative error 2^-36 and 2^-28.
// Special cases of C99: pow(x, 0) = pow(1, y) = 1 even for NaN, a negative base needs a whole exponent.
// Subnormal bases count as 0, as with TensorFlow on a CPU.
// Worst error in ulp, measured on llvmpipe: 1.96.
vec4 leading_bits(vec4 v) { return intBitsToFloat(floatBitsToInt(v) & -4096); }

vec4 pow_exact(vec4 x, vec4 y) {
    vec4 a = abs(x);
    // x = 2^k m, sqrt(3)/2 <= m < sqrt(3); c, 1 or 1.5, is near m.
    ivec4 i = floatBitsToInt(a) - 0x3F5DB3D7;
    vec4 m = intBitsToFloat((i & 0x7FFFFF) + 0x3F5DB3D7);
    bvec4 far = greaterThan(m, vec4(1.22474487));
    vec4 c = mix(vec4(1.0), vec4(1.5), far);
    vec4 k = vec4(i >> 23) + mix(vec4(0.0), vec4(0.5849609375), far);
    // s = (m - c) / (m + c) in two parts; so is m + c.
    vec4 f = m - c;
    vec4 g = m + c;
    vec4 gh = leading_bits(g);
    PRECISE vec4 gl = m - (gh - c);
    vec4 s = f / g;
    vec4 sh = leading_bits(s);
    PRECISE vec4 sl = ((f - sh * gh) - sh * gl) / g;
    // log2(m / c) = 2 log2(e) s + s^3 P(s^2)
    vec4 z = s * s;
    vec4 p = ((0.418657154 * z + 0.577039063) * z + 0.961796761) * z * s;
    // top holds the leading bits of everything; what it leaves is small, so that rounding it costs nothing.
    vec4 hi = 2.884765625 * sh;
    vec4 top = leading_bits(k + (hi + p));
    vec4 cl = mix(vec4(0.0), vec4(1.56322116e-6), far);
    PRECISE vec4 lo = ((hi - (top - k)) + p) + (2.88539008 * sl + (6.24456815e-4 * sh + cl));
    // y times both parts; beyond 2^60 only the direction matters.
    y = keep_nan(y, clamp(y, -1.152921504606847e18, 1.152921504606847e18));
    vec4 yh = leading_bits(y);
    PRECISE vec4 lw = (y - yh) * top + y * lo;
    vec4 pr = yh * top;
    vec4 ex = pr + lw;
    vec4 n = floor(clamp(ex, -160.0, 160.0) + 0.5);
    PRECISE vec4 r = (pr - n) + lw;
    vec4 q = ((((0.000153267814 * r + 0.00133910251) * r + 0.00961850584) * r + 0.0555035956) * r + 0.240226477) * r + 0.693147182;
    ivec4 e = ivec4(clamp(n, -152.0, 129.0));
    ivec4 h = e >> 1;
    vec4 v = (q * r + 1.0) * intBitsToFloat((h + 127) << 23) * intBitsToFloat((e - h + 127) << 23);
    bvec4 up = greaterThan(y, vec4(0.0));
    v = mix(v, vec4(POSITIVE_INFINITY), greaterThan(ex, vec4(129.0)));
    v = mix(v, vec4(0.0), lessThan(ex, vec4(-152.0)));
    ivec4 b = floatBitsToInt(a);
    v = mix(v, mix(vec4(POSITIVE_INFINITY), vec4(0.0), up), lessThan(b, ivec4(0x00800000)));
    v = mix(v, mix(vec4(0.0), vec4(POSITIVE_INFINITY), up), equal(b, ivec4(0x7F800000)));
    // Negative bases: the sign of an odd power, NaN for what is no power of them.
    bvec4 wh = equal(floor(y), y);
    bvec4 odd = notEqual(floor(y * 0.5) * 2.0, y);
    vec4 ng = mix(mix(v, vec4(NOT_A_NUMBER), is_finite(x)), v, lessThan(b, ivec4(0x00800000)));
    ng = mix(ng, mix(v, -v, odd), wh);
    v = mix(v, ng, lessThan(floatBitsToInt(x), ivec4(0)));
    v = keep_nan(x, keep_nan(y, v));
    v = mix(v, vec4(1.0), equal(floatBitsToInt(x), ivec4(0x3F800000)));
    return mix(v, vec4(1.0), lessThan(floatBitsToInt(y) & 0x7FFFFFFF, ivec4(0x00800000)));
}
float pow_exact(float x, float y) { return pow_exact(vec4(x), vec4(y)).x; }
