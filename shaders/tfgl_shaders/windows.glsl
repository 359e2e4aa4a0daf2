// What each place of a window reads: [taps, windows, channels] of flat x [volumes, in_depth, in_height, in_width,
// channels], zeros where it reaches over the edge. Channels count texels (ALIGNED) or elements.
#ifdef ALIGNED
#define UNIT VALUE4
#define X_UNIT(i) x_texel(i)
#include "texel"
#define READ VALUE4 texel(int i)
#else
#define UNIT VALUE
#define X_UNIT(i) x_at(i)
#include "element"
#define READ VALUE element(int i)
#endif
#include "window"
READ {
    int tap = i / (window_count * window_channels);
    Window window = window_of(i - tap * window_count * window_channels);
    tap += first_tap;
    int row = tap / filter_width;
    int plane = row / filter_height;
    int z = window.front + plane * dilation_depth;
    int y = window.top + (row - plane * filter_height) * dilation_height;
    int x = window.left + (tap - row * filter_width) * dilation_width;
    if (!is_inside(z, y, x)) return UNIT(0);
    int volume = window.volume * in_depth * in_height * in_width * window_channels;
    return X_UNIT(volume + place_in_volume(z, y, x, window.channel));
}
