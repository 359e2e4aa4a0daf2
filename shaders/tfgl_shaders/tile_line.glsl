// flat [batch, in_channels] from one line, 1 wide, of a tiled tensor [batch, lines, 1, in_channels]; in_channels a
// multiple of 4.
#include "texel"
VALUE4 texel(int t) {
    int n = t / in_blocks;
    int band_row = (n * in_bands + (line_number >> LAYERS_LOG2)) * in_blocks;
    return x_tile(0, band_row + t - n * in_blocks, line_number & (LAYERS - 1));
}
