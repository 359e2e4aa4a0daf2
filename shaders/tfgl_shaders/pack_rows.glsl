// The rows of matrices as the places of a tiled tensor: row m of matrix n at line m / width, column
// m mod width; its elements are the channels. ALIGNED: elements lie in texels.
#include "tile"
#include "place"
#include "lines"
#include "matrices"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int from = matrix_start(place.n) + 4 * place.block * column_step;
    int left = in_columns - 4 * place.block;
    EACH_LINE(r) {
        int m = (place.band * LAYERS + r) * out_width + at.x;
        int i = from + m * row_step;
        VALUE4 v = VALUE4(0);
        if (m < in_rows) {
#ifdef ALIGNED
            v = x_texel(i >> 2);
#else
            v.x = x_at(i);
            if (left > 1) v.y = x_at(i + column_step);
            if (left > 2) v.z = x_at(i + 2 * column_step);
            if (left > 3) v.w = x_at(i + 3 * column_step);
#endif
        }
        NEXT_LINE(v)
    }
}
