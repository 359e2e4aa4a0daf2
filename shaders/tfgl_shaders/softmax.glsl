// exp(x - largest) / sum of short rows in one draw: what softmax_rows gives is computed again for each texel of a
// row, or without ALIGNED for each element.
#ifdef ALIGNED
#include "texel"
#else
#include "element"
#endif
#include "softmax_steps"
#ifdef ALIGNED
vec4 texel(int t) {
    vec2 row = most_and_sum(t / row_steps, 0);
    return exp_exact(x_texel(t) - row.x) / row.y;
}
#else
float element(int i) {
    int line = i / row_inner;
    int outer = line / row_size;
    vec2 row = most_and_sum(outer * row_inner + i - line * row_inner, 0);
    return exp_exact(x_at(i) - row.x) / row.y;
}
#endif
