// Gradient of lrn.glsl: every neighbour's norm holds this element's square.
#include "element"
#include "math/power"
float element(int i) {
    int c = i - (i / channel_count) * channel_count;
    int first = max(0, c - depth_radius);
    int last = min(channel_count - 1, c + depth_radius);
    float total = 0.0;
    for (int k = first; k <= last; k++) {
        int j = i + k - c;
        total += dy_at(j) * y_at(j) / norm_at(j);
    }
    return dy_at(i) * pow_exact(norm_at(i), -norm_beta) - 2.0 * norm_alpha * norm_beta * x_at(i) * total;
}
