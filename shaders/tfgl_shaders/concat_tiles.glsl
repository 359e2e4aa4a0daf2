// Two tiled tensors side by side in channels; the first one's channels divide by 4.
#include "tile"
#include "place"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    Place place = place_of(at);
    int band_row = place.n * out_bands + place.band;
    int other = place.block - first_blocks;
    for (int r = 0; r < LAYERS; r++) {
        if (other < 0) rows[r] = a_tile(at.x, band_row * first_blocks + place.block, r);
        else rows[r] = b_tile(at.x, band_row * (out_blocks - first_blocks) + other, r);
    }
}
