// Local response normalization along the last axis: x * (bias + alpha * sum of squares nearby)^-beta.
// With NORM only the base of the power.
#include "element"
#ifndef NORM
#include "math/power"
#endif
float element(int i) {
    int c = i - (i / channel_count) * channel_count;
    int first = max(0, c - depth_radius);
    int last = min(channel_count - 1, c + depth_radius);
    float total = 0.0;
    for (int k = first; k <= last; k++) {
        float v = x_at(i + k - c);
        total += v * v;
    }
    float base = norm_bias + norm_alpha * total;
#ifdef NORM
    return base;
#else
    return x_at(i) * pow_exact(base, -norm_beta);
#endif
}
