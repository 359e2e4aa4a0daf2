// requires: error_function
// x times the normal distribution function of x (https://arxiv.org/abs/1606.08415).
vec4 gelu_exact(vec4 x) { return 0.5 * x * (1.0 + erf_exact(x * 0.707106781)); }
