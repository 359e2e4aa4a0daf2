// (x - mean) / sqrt(variance + epsilon), from the texels of standardize_rows.
#include "texel"
vec4 texel(int t) {
#ifdef ALIGNED
    vec4 row = rows_texel(t / (row_size >> 2));
    return (x_texel(t) - row.x) * row.y;
#else
    vec4 v = x_texel(t);
    for (int k = 0; k < 4; k++) {
        vec4 row = rows_texel(min(t * 4 + k, out_size - 1) / row_size);
        v[k] = (v[k] - row.x) * row.y;
    }
    return v;
#endif
}
