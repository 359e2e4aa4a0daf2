// Epilogue of convolutions and matrix products, after the bias.
// One formula with the parameters activation_slope and activation_cap serves linear (1, inf),
// relu (0, inf), relu6 (0, 6) and leakyrelu; with PRELU the slopes come from the input alpha; ACTIVATION
// names a function VALUE4 -> VALUE4 for the others. The comparisons let NaN through.
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
float activated_lane(float v, float slope) {
#ifdef PRELU
    float low = v * slope;
#else
    // Minus infinity times a slope of 0 would be NaN where relu says 0.
    float low = slope == 0.0 ? 0.0 : v * slope;
#endif
    v = v < 0.0 ? low : v;
    return v > activation_cap ? activation_cap : v;
}
VALUE4 activated(VALUE4 v, VALUE4 slope) {
    return VALUE4(
        activated_lane(v.x, slope.x), activated_lane(v.y, slope.y),
        activated_lane(v.z, slope.z), activated_lane(v.w, slope.w));
}
#endif
