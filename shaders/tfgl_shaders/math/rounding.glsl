// Round half to even, as NumPy and TensorFlow do; GLSL's round may go either way at a half.
// From 2^23 on all values are whole, and NaN stays NaN.
// Measured on llvmpipe: exact.
vec4 round_even(vec4 x) { return mix(x, roundEven(x), lessThan(abs(x), vec4(8388608.0))); }
float round_even(float x) { return round_even(vec4(x)).x; }
