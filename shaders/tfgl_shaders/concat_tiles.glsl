// Two tiled tensors side by side in channels; the first one's channels divide by 4.
#include "tile"
#include "place"
#include "lines"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int band_row = place.n * out_bands + place.band;
    int other = place.block - first_blocks;
    EACH_LINE(r) {
        VALUE4 v;
        if (other < 0) v = a_tile(at.x, band_row * first_blocks + place.block, r);
        else v = b_tile(at.x, band_row * (out_blocks - first_blocks) + other, r);
        NEXT_LINE(v)
    }
}
