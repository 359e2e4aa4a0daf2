// requires: nan
// relu6(x + 3) times a sixth, and x times that (https://arxiv.org/abs/1905.02244): the factor f is as files round it.
// NaN stays NaN.
vec4 hard_sigmoid(vec4 x, float f) { return keep_nan(x, clamp(x + 3.0, 0.0, 6.0) * f); }
vec4 hard_swish(vec4 x, float f) { return x * hard_sigmoid(x, f); }
