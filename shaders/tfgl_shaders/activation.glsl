// Epilogue of convolutions and matrix products: bias has been added, the activation comes here.
// ACTIVATION, when defined, names a function VALUE4 -> VALUE4; else one formula with the parameters
// activation_slope and activation_cap serves linear (1, inf), relu (0, inf), relu6 (0, 6), leakyrelu.
// Comparisons let NaN through; a slope of 0 must not multiply an infinity.
#ifdef INT_OUTPUT
VALUE4 activated(VALUE4 v) {
    if (activation_slope == 0.0) v = max(v, VALUE4(0));
    if (activation_cap < 2147483647.0) v = min(v, VALUE4(int(activation_cap)));
    return v;
}
#elif defined(ACTIVATION)
VALUE4 activated(VALUE4 v) {
    return ACTIVATION(v);
}
#else
VALUE activated_lane(VALUE v, VALUE slope) {
    VALUE low = activation_slope == 0.0 ? 0.0 : v * slope;
    v = v < 0.0 ? low : v;
    return v > activation_cap ? activation_cap : v;
}
VALUE4 activated(VALUE4 v) {
    return VALUE4(
        activated_lane(v.x, activation_slope), activated_lane(v.y, activation_slope),
        activated_lane(v.z, activation_slope), activated_lane(v.w, activation_slope));
}
#endif
