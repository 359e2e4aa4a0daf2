// Where a fragment of the tiled output stands: batch element, block of 4 channels, band of lines.
struct Place {
    int n;
    int block;
    int band;
};
Place place_of(ivec2 at) {
    int band_row = at.y / out_blocks;
    int n = band_row / out_bands;
    return Place(n, at.y - band_row * out_blocks, band_row - n * out_bands);
}
