// requires: precise nan large_angle division
// sin, cos, tan: x = n pi/2 + r with pi/2 in four parts (Cody and Waite): n times a part of 11 bits is exact for |n| < 2^13,
// so r and its low part are good to 1e-13 for |x| <= 12867; larger angles go through large_angle. Minimax polynomials on
// |r| <= pi/4, this project's own Remez fits (Cephes' forms): relative error sin 2^-27.8, cos 2^-33, tan 2^-29.5.
// NaN for infinite x.
// Worst error in ulp, measured on llvmpipe: sin 1.23, cos 1.18, tan 1.62.
vec4 quarter_turns(vec4 x, out ivec4 q, out vec4 lo) {
    vec4 n = floor(x * 0.636619772 + 0.5);
    q = ivec4(n);
    PRECISE vec4 y = (x - n * 1.5703125) - n * 4.8375129699707031e-4;
    vec4 w = n * 7.5495336204767227e-8;
    PRECISE vec4 s = y - w;
    PRECISE vec4 e = ((y - s) - w) - n * 2.5633440682570896e-12;
    lo = e;
    // One lane after the other, each round turning the vectors: the loop's length is hidden so that compilers keep one copy.
    int len = any(greaterThan(abs(x), vec4(12867.0))) ? 4 : 0;
    for (int i = 0; i < len; i++) {
        int t = q.x;
        float a = s.x;
        float b = lo.x;
        if (abs(x.x) > 12867.0) a = large_angle(x.x, t, b);
        s = vec4(s.yzw, a);
        lo = vec4(lo.yzw, b);
        q = ivec4(q.yzw, t);
        x = x.yzwx;
    }
    return s;
}
vec4 sin_series(vec4 r, vec4 lo) {
    vec4 z = r * r;
    PRECISE vec4 v = (((-0.000195078712 * z + 0.00833210628) * z - 0.166666538) * z * r + lo * (1.0 - 0.5 * z)) + r;
    return v;
}
vec4 cos_series(vec4 r, vec4 lo) {
    vec4 z = r * r;
    vec4 p = ((2.44321018e-5 * z - 0.00138873083) * z + 0.0416666456) * z * z;
    PRECISE vec4 v = 1.0 - (0.5 * z - (p - lo * r));
    return v;
}
// sin(x + shift pi/2)
vec4 sin_shifted(vec4 x, int d) {
    ivec4 q;
    vec4 lo;
    vec4 r = quarter_turns(x, q, lo);
    q += d;
    vec4 v = mix(sin_series(r, lo), cos_series(r, lo), equal(q & 1, ivec4(1)));
    v = mix(v, -v, equal(q & 2, ivec4(2)));
    return mix(vec4(NOT_A_NUMBER), v, is_finite(x));
}

vec4 sin_exact(vec4 x) { return sin_shifted(x, 0); }
float sin_exact(float x) { return sin_exact(vec4(x)).x; }
vec4 cos_exact(vec4 x) { return sin_shifted(x, 1); }
float cos_exact(float x) { return cos_exact(vec4(x)).x; }

vec4 tan_exact(vec4 x) {
    ivec4 q;
    vec4 lo;
    vec4 r = quarter_turns(x, q, lo);
    vec4 z = r * r;
    vec4 p = (((0.00438782573 * z + 6.98091608e-5) * z + 0.0108477753) * z + 0.021279376) * z + 0.0540599748;
    PRECISE vec4 t = ((p * z + 0.133326694) * z + 0.333333492) * z * r + lo * (1.0 + z);
    PRECISE vec4 v = r + t;
    // Near a pole the quotient's own error and the low bits of the tangent are what is left to correct.
    PRECISE vec4 f = (r - v) + t;
    vec4 w = -1.0 / v;
    vec4 e = residual(vec4(-1.0), w, v) - w * f;
    w += mix(vec4(0.0), e / v, lessThan(abs(v), vec4(0.5)));
    v = mix(v, w, equal(q & 1, ivec4(1)));
    return mix(vec4(NOT_A_NUMBER), v, is_finite(x));
}
float tan_exact(float x) { return tan_exact(vec4(x)).x; }
