// Epilogue of convolutions and matrix products, after the bias.
// One formula serves linear, relu, relu6, leakyrelu, hard sigmoid and hard swish, by parameters: how much is added
// before (activation_shift), the slope below zero, the upper bound (activation_cap), a factor, and activation_gate 1 if
// all that is multiplied by the value itself. With PRELU the slopes come from the input alpha; ACTIVATION names a
// function VALUE4 -> VALUE4 for the others. NaN stays NaN. Every program of a convolution has it eight times: what
// stands here takes its time to compile.
#include "math/nan"
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
    vec4 t = v + activation_shift;
    vec4 low = t * slope;
#ifndef PRELU
    // Minus infinity times a slope of 0 would be NaN where relu says 0.
    if (activation_slope == 0.0) low = vec4(0.0);
#endif
    t = min(mix(t, low, lessThan(t, vec4(0.0))), vec4(activation_cap)) * activation_factor;
    return keep_nan(v, activation_gate == 1 ? v * t : t);
}
#endif
