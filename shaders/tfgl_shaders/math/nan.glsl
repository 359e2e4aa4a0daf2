// NaN and infinity by their bits, and minimum, maximum, clamp and sign that give NaN for NaN, as TensorFlow's do.
// GLSL's own isnan may be folded to false, its min, max, clamp and sign swallow NaN.
// Measured on llvmpipe: all exact.
#define POSITIVE_INFINITY uintBitsToFloat(0x7F800000u)
#define NEGATIVE_INFINITY uintBitsToFloat(0xFF800000u)
#define NOT_A_NUMBER uintBitsToFloat(0x7FC00000u)

bool is_nan(float x) { return (floatBitsToInt(x) & 0x7FFFFFFF) > 0x7F800000; }
bvec4 is_nan(vec4 x) { return greaterThan(floatBitsToInt(x) & 0x7FFFFFFF, ivec4(0x7F800000)); }
bool is_inf(float x) { return (floatBitsToInt(x) & 0x7FFFFFFF) == 0x7F800000; }
bvec4 is_inf(vec4 x) { return equal(floatBitsToInt(x) & 0x7FFFFFFF, ivec4(0x7F800000)); }
bool is_finite(float x) { return (floatBitsToInt(x) & 0x7FFFFFFF) < 0x7F800000; }
bvec4 is_finite(vec4 x) { return lessThan(floatBitsToInt(x) & 0x7FFFFFFF, ivec4(0x7F800000)); }

// v where x is a number, x itself where it is NaN.
vec4 keep_nan(vec4 x, vec4 v) { return mix(v, x, is_nan(x)); }
float keep_nan(float x, float v) { return is_nan(x) ? x : v; }

vec4 max_nan(vec4 x, vec4 y) { return keep_nan(x, keep_nan(y, mix(y, x, greaterThan(x, y)))); }
float max_nan(float x, float y) { return is_nan(x) ? x : is_nan(y) ? y : x > y ? x : y; }
vec4 min_nan(vec4 x, vec4 y) { return keep_nan(x, keep_nan(y, mix(y, x, lessThan(x, y)))); }
float min_nan(float x, float y) { return is_nan(x) ? x : is_nan(y) ? y : x < y ? x : y; }
vec4 clamp_nan(vec4 x, vec4 low, vec4 hi) { return min_nan(max_nan(x, low), hi); }
float clamp_nan(float x, float low, float hi) { return min_nan(max_nan(x, low), hi); }

vec4 sign_nan(vec4 x) { return keep_nan(x, vec4(greaterThan(x, vec4(0.0))) - vec4(lessThan(x, vec4(0.0)))); }
float sign_nan(float x) { return is_nan(x) ? x : float(x > 0.0) - float(x < 0.0); }
