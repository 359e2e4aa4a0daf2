// (x - mean) / sqrt(variance + epsilon) * scale + offset of rows of texels. With ROWS mean and factor come from the
// texels of layer_norm_rows, else each fragment computes them.
#include "texel"
#ifndef ROWS
#include "layer_norm_steps"
#endif
vec4 texel(int t) {
    int row = t / row_steps;
    int block = t - row * row_steps;
#ifdef ROWS
    vec2 measured = rows_texel(row).xy;
#else
    vec2 measured = mean_and_factor(row);
#endif
    return (x_texel(t) - measured.x) * (measured.y * scale_texel(block)) + offset_texel(block);
}
