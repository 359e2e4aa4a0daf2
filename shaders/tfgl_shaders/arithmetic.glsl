// requires: math/nan
// What GLSL leaves undefined, or does otherwise than TensorFlow: selection by lane, truth,
// conversion to integers, lengths.
vec4 choose(bvec4 which, vec4 yes, vec4 no) { return mix(no, yes, which); }
ivec4 choose(bvec4 which, ivec4 yes, ivec4 no) {
    ivec4 mask = -ivec4(which);
    return (yes & mask) | (no & ~mask);
}
// By bits: a comparison would let subnormal values pass for zero, and NaN too on some drivers.
bvec4 truth(vec4 v) { return notEqual(floatBitsToInt(v) & 0x7FFFFFFF, ivec4(0)); }
bvec4 truth(ivec4 v) { return notEqual(v, ivec4(0)); }

// float -> int toward zero; NaN is 0, what lies beyond the range its nearest end.
ivec4 truncated(vec4 v) {
    bvec4 high = greaterThanEqual(v, vec4(2147483648.0));
    bvec4 low = lessThanEqual(v, vec4(-2147483648.0));
    bvec4 outside = bvec4(ivec4(high) | ivec4(low) | ivec4(is_nan(v)));
    ivec4 inside = ivec4(choose(outside, vec4(0.0), v));
    return choose(high, ivec4(0x7FFFFFFF), choose(low, ivec4(-0x7FFFFFFF - 1), inside));
}
ivec4 truncated(ivec4 v) { return v; }

// One name for both kinds of texels.
vec4 larger(vec4 x, vec4 y) { return max_nan(x, y); }
vec4 smaller(vec4 x, vec4 y) { return min_nan(x, y); }
ivec4 larger(ivec4 x, ivec4 y) { return max(x, y); }
ivec4 smaller(ivec4 x, ivec4 y) { return min(x, y); }

// sqrt(x^2 + y^2) without overflow in between.
vec4 hypotenuse(vec4 x, vec4 y) {
    vec4 big = max(abs(x), abs(y));
    vec4 small = min(abs(x), abs(y));
    vec4 ratio = choose(equal(big, vec4(0.0)), vec4(0.0), small / big);
    vec4 result = choose(bvec4(ivec4(is_nan(x)) | ivec4(is_nan(y))), x + y, big * sqrt(1.0 + ratio * ratio));
    bvec4 infinite = bvec4(ivec4(is_inf(x)) | ivec4(is_inf(y)));
    return choose(infinite, vec4(POSITIVE_INFINITY), result);
}
