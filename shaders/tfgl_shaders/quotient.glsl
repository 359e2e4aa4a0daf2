// Quotients rounded down, remainders with the divisor's sign: exact, as TensorFlow has them.
// requires: arithmetic
// x / 0 is 0, and -2^31 / -1 wraps: both undefined in GLSL.
int quotient(int x, int y) {
    return y == 0 ? 0 : y == -1 ? 0 - x : x / y;
}
ivec4 quotient(ivec4 x, ivec4 y) {
    return ivec4(quotient(x.x, y.x), quotient(x.y, y.y), quotient(x.z, y.z), quotient(x.w, y.w));
}
int floored_quotient(int x, int y) {
    int q = quotient(x, y);
    return y != 0 && q * y != x && (x < 0) != (y < 0) ? q - 1 : q;
}
ivec4 floored_quotient(ivec4 x, ivec4 y) {
    return ivec4(floored_quotient(x.x, y.x), floored_quotient(x.y, y.y),
                 floored_quotient(x.z, y.z), floored_quotient(x.w, y.w));
}
ivec4 floored_remainder(ivec4 x, ivec4 y) {
    // The bits of y == 0 are all of x's: 0, as TensorFlow.js stores NaN.
    return choose(equal(y, ivec4(0)), ivec4(0), x - y * floored_quotient(x, y));
}

// GLSL's division may err by 2.5 ulp: a quotient next to a whole number is that number if it is exact.
vec4 floored_quotient(vec4 x, vec4 y) {
    vec4 q = x / y;
    vec4 whole = floor(q + 0.5);
    return choose(equal(whole * y, x), whole, floor(q));
}

// Long division, ten bits of the quotient at a time: each product is split so that it is exact.
float remainder_of_magnitudes(float x, float y) {
    for (int step = 0; step < 30 && x >= y; step++) {
        float scaled = y;
        int apart = (floatBitsToInt(x) >> 23) - (floatBitsToInt(y) >> 23);
        if (apart > 9) scaled = intBitsToFloat(floatBitsToInt(y) + ((apart - 9) << 23));
        float count = floor(x / scaled);
        float high = intBitsToFloat(floatBitsToInt(scaled) & 0x7FFFF000);
        x -= count * high;
        x -= count * (scaled - high);
        if (x < 0.0) x += scaled;
        else if (x >= scaled) x -= scaled;
    }
    return x;
}
float floored_remainder(float x, float y) {
    int x_bits = floatBitsToInt(x) & 0x7FFFFFFF;
    int y_bits = floatBitsToInt(y) & 0x7FFFFFFF;
    if (x_bits >= 0x7F800000 || y_bits > 0x7F800000 || y_bits < 0x00800000) return NOT_A_NUMBER;
    float magnitude = y_bits == 0x7F800000 ? abs(x) : remainder_of_magnitudes(abs(x), abs(y));
    float r = x < 0.0 ? -magnitude : magnitude;
    return r != 0.0 && (r < 0.0) != (y < 0.0) ? r + y : r;
}
vec4 floored_remainder(vec4 x, vec4 y) {
    return vec4(floored_remainder(x.x, y.x), floored_remainder(x.y, y.y),
                floored_remainder(x.z, y.z), floored_remainder(x.w, y.w));
}
