// Where a fragment of the tiled output stands: batch element, block of 4 channels, band of lines.
struct Place {
    int n;
    int block;
    int band;
};
Place place_of(ivec2 at) {
    int block_row = at.y / out_bands;
    int n = block_row / out_blocks;
    return Place(n, block_row - n * out_blocks, at.y - block_row * out_bands);
}
