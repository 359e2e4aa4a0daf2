// exp(x - largest) / sum, or with LOGARITHM x - largest - log(sum), from the texels of softmax_rows.
// ALIGNED: rows of texels.
#include "texel"
#include "math/exponential"
vec4 row_of(int i) {
    int line = i / row_inner;
    int outer = line / row_size;
    return rows_texel(outer * row_inner + i - line * row_inner);
}
vec4 texel(int t) {
    vec4 v = x_texel(t);
#ifdef ALIGNED
    vec4 row = rows_texel(t / row_steps);
    vec4 most = row.xxxx;
    vec4 sum = row.SUM_LANE;
#else
    vec4 r0 = row_of(t * 4);
    vec4 r1 = row_of(min(t * 4 + 1, out_size - 1));
    vec4 r2 = row_of(min(t * 4 + 2, out_size - 1));
    vec4 r3 = row_of(min(t * 4 + 3, out_size - 1));
    vec4 most = vec4(r0.x, r1.x, r2.x, r3.x);
    vec4 sum = vec4(r0.SUM_LANE.x, r1.SUM_LANE.x, r2.SUM_LANE.x, r3.SUM_LANE.x);
#endif
#ifdef LOGARITHM
    return (v - most) - sum;
#else
    return exp_exact(v - most) / sum;
#endif
}
