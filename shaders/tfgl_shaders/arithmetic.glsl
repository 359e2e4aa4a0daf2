// What GLSL leaves undefined, or does otherwise than TensorFlow: selection by lane, tests for NaN and
// infinity by bits, conversions, maximum and minimum that let NaN through.
vec4 choose(bvec4 which, vec4 yes, vec4 no) { return mix(no, yes, which); }
ivec4 choose(bvec4 which, ivec4 yes, ivec4 no) {
    ivec4 mask = -ivec4(which);
    return (yes & mask) | (no & ~mask);
}
bvec4 nan_lanes(vec4 v) {
    return greaterThan(floatBitsToInt(v) & 0x7FFFFFFF, ivec4(0x7F800000));
}
bvec4 infinite_lanes(vec4 v) {
    return equal(floatBitsToInt(v) & 0x7FFFFFFF, ivec4(0x7F800000));
}
bvec4 finite_lanes(vec4 v) {
    return lessThan(floatBitsToInt(v) & 0x7FFFFFFF, ivec4(0x7F800000));
}
// By bits: a comparison would let subnormal values pass for zero, and NaN too on some drivers.
bvec4 truth(vec4 v) { return notEqual(floatBitsToInt(v) & 0x7FFFFFFF, ivec4(0)); }
bvec4 truth(ivec4 v) { return notEqual(v, ivec4(0)); }

// float -> int toward zero; NaN is 0, what lies beyond the range its nearest end.
ivec4 truncated(vec4 v) {
    bvec4 high = greaterThanEqual(v, vec4(2147483648.0));
    bvec4 low = lessThanEqual(v, vec4(-2147483648.0));
    bvec4 outside = bvec4(ivec4(high) | ivec4(low) | ivec4(nan_lanes(v)));
    ivec4 inside = ivec4(choose(outside, vec4(0.0), v));
    return choose(high, ivec4(0x7FFFFFFF), choose(low, ivec4(-0x7FFFFFFF - 1), inside));
}
ivec4 truncated(ivec4 v) { return v; }

// TensorFlow's maximum and minimum give NaN when either operand is NaN.
vec4 larger(vec4 x, vec4 y) {
    return choose(nan_lanes(x), x, choose(nan_lanes(y), y, choose(greaterThan(x, y), x, y)));
}
vec4 smaller(vec4 x, vec4 y) {
    return choose(nan_lanes(x), x, choose(nan_lanes(y), y, choose(lessThan(x, y), x, y)));
}
ivec4 larger(ivec4 x, ivec4 y) { return max(x, y); }
ivec4 smaller(ivec4 x, ivec4 y) { return min(x, y); }

// 0 for NaN, as in TensorFlow.js.
vec4 signs(vec4 v) {
    return vec4(greaterThan(v, vec4(0.0))) - vec4(lessThan(v, vec4(0.0)));
}

// sqrt(x^2 + y^2) without overflow in between.
vec4 hypotenuse(vec4 x, vec4 y) {
    vec4 big = max(abs(x), abs(y));
    vec4 small = min(abs(x), abs(y));
    vec4 ratio = choose(equal(big, vec4(0.0)), vec4(0.0), small / big);
    vec4 result = choose(bvec4(ivec4(nan_lanes(x)) | ivec4(nan_lanes(y))), x + y, big * sqrt(1.0 + ratio * ratio));
    bvec4 infinite = bvec4(ivec4(infinite_lanes(x)) | ivec4(infinite_lanes(y)));
    return choose(infinite, intBitsToFloat(ivec4(0x7F800000)), result);
}
