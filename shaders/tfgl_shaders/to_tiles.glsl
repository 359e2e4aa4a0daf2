// flat (n, h, w, c) -> tiles. ALIGNED: out_channels is a multiple of 4.
#include "tile"
#include "place"
#include "lines"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int top = place.band * LAYERS;
    int i = ((place.n * out_height + top) * out_width + at.x) * out_channels + 4 * place.block;
    EACH_LINE(r) {
        int t = top + r < out_height ? i >> 2 : OUTSIDE;
        VALUE4 v = VALUE4(x_texel_or_zero(t));
#ifndef ALIGNED
        // What follows in the next texel moves up in two steps; lanes beyond the channels are cleared later.
        VALUE4 next = VALUE4(x_texel_or_zero(t + 1));
        if ((i & 1) != 0) {
            v = VALUE4(v.yzw, next.x);
            next = next.yzwx;
        }
        if ((i & 2) != 0) v = VALUE4(v.zw, next.xy);
#endif
        NEXT_LINE(v)
        i += out_width * out_channels;
    }
}
