// Epilogue of convolutions and matrix products, after the bias.
// One formula with the parameters activation_slope and activation_cap serves linear (1, inf),
// relu (0, inf), relu6 (0, 6) and leakyrelu; with PRELU the slopes come from the input alpha; activation_gate is 1
// for hard swish, 2 for hard sigmoid, whose factor is activation_slope, else 0; ACTIVATION names a function
// VALUE4 -> VALUE4 for the others. NaN stays NaN.
#include "math/nan"
#include "math/hard"
VALUE4 slopes(int block) {
#ifdef PRELU
    return alpha_texel(block * alpha_step);
#else
    return VALUE4(activation_slope);
#endif
}
#ifdef INT_OUTPUT
VALUE4 activated(VALUE4 v, VALUE4 slope) {
    if (activation_slope == 0.0) v = max(v, VALUE4(0));
    if (activation_cap < 2147483647.0) v = min(v, VALUE4(int(activation_cap)));
    return v;
}
#elif defined(ACTIVATION)
VALUE4 activated(VALUE4 v, VALUE4 slope) {
    return ACTIVATION(v);
}
#else
vec4 activated(vec4 v, vec4 slope) {
    if (activation_gate == 1) return hard_swish(v, activation_slope);
    if (activation_gate == 2) return hard_sigmoid(v, activation_slope);
    vec4 low = v * slope;
#ifndef PRELU
    // Minus infinity times a slope of 0 would be NaN where relu says 0.
    if (activation_slope == 0.0) low = vec4(0.0);
#endif
    return keep_nan(v, min(mix(v, low, lessThan(v, vec4(0.0))), vec4(activation_cap)));
}
#endif
