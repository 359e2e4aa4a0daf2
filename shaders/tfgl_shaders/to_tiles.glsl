// flat (n, h, w, c) -> tiles. ALIGNED: out_channels is a multiple of 4.
#include "tile"
#include "place"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int c = 4 * place.block;
    for (int r = 0; r < LAYERS; r++) {
        int h = place.band * LAYERS + r;
        rows[r] = VALUE4(0);
        if (h < out_height) {
            int i = ((place.n * out_height + h) * out_width + at.x) * out_channels + c;
#ifdef ALIGNED
            rows[r] = VALUE4(x_texel(i >> 2));
#else
            int left = out_channels - c;
            rows[r].x = VALUE(x_at(i));
            if (left > 1) rows[r].y = VALUE(x_at(i + 1));
            if (left > 2) rows[r].z = VALUE(x_at(i + 2));
            if (left > 3) rows[r].w = VALUE(x_at(i + 3));
#endif
        }
    }
}
