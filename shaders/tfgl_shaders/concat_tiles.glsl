// Two tiled tensors side by side in channels; the first one's channels divide by 4.
#include "tile"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    int block_row = at.y / out_bands;
    int band = at.y - block_row * out_bands;
    int n = block_row / out_blocks;
    int block = block_row - n * out_blocks;
    int other = block - first_blocks;
    for (int r = 0; r < LAYERS; r++) {
        if (other < 0) rows[r] = a_tile(at.x, (n * first_blocks + block) * out_bands + band, r);
        else rows[r] = b_tile(at.x, (n * (out_blocks - first_blocks) + other) * out_bands + band, r);
    }
}
