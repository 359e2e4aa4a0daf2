// requires: precise nan large_angle
// sin, cos, tan: x = n pi/2 + r with pi/2 in four parts (Cody and Waite): n times a part of 11 bits is exact for |n| < 2^13,
// so r is good to 1e-13 for |x| <= 12867; larger angles go through large_angle. Minimax polynomials on |r| <= pi/4, this project's own Remez fits (Cephes' forms):
// relative error sin 2^-27.8, cos 2^-33, tan 2^-29.5. NaN for infinite x.
vec4 quarter_turns(vec4 x, out ivec4 q) {
    vec4 n = floor(x * 0.636619772 + 0.5);
    q = ivec4(n);
    PRECISE vec4 r = ((x - n * 1.5703125) - n * 4.8375129699707031e-4) - n * 7.5495336204767227e-8;
    PRECISE vec4 s = r - n * 2.5633440682570896e-12;
    bvec4 large = greaterThan(abs(x), vec4(12867.0));
    if (any(large)) {
        for (int k = 0; k < 4; k++) {
            if (abs(x[k]) > 12867.0) {
                int turns;
                s[k] = large_angle(x[k], turns);
                q[k] = turns;
            }
        }
    }
    return s;
}
vec4 sin_series(vec4 r) {
    vec4 z = r * r;
    return ((-0.000195078712 * z + 0.00833210628) * z - 0.166666538) * z * r + r;
}
vec4 cos_series(vec4 r) {
    vec4 z = r * r;
    PRECISE vec4 v = 1.0 - (0.5 * z - ((2.44321018e-5 * z - 0.00138873083) * z + 0.0416666456) * z * z);
    return v;
}
// sin(x + shift pi/2)
vec4 sin_shifted(vec4 x, int d) {
    ivec4 q;
    vec4 r = quarter_turns(x, q);
    q += d;
    vec4 v = mix(sin_series(r), cos_series(r), equal(q & 1, ivec4(1)));
    v = mix(v, -v, equal(q & 2, ivec4(2)));
    return mix(vec4(NOT_A_NUMBER), v, is_finite(x));
}

vec4 sin_exact(vec4 x) { return sin_shifted(x, 0); }
float sin_exact(float x) { return sin_exact(vec4(x)).x; }
vec4 cos_exact(vec4 x) { return sin_shifted(x, 1); }
float cos_exact(float x) { return cos_exact(vec4(x)).x; }

vec4 tan_exact(vec4 x) {
    ivec4 q;
    vec4 r = quarter_turns(x, q);
    vec4 z = r * r;
    vec4 p = (((0.00438782573 * z + 6.98091608e-5) * z + 0.0108477753) * z + 0.021279376) * z + 0.0540599748;
    vec4 v = ((p * z + 0.133326694) * z + 0.333333492) * z * r + r;
    v = mix(v, -1.0 / v, equal(q & 1, ivec4(1)));
    return mix(vec4(NOT_A_NUMBER), v, is_finite(x));
}
float tan_exact(float x) { return tan_exact(vec4(x)).x; }
