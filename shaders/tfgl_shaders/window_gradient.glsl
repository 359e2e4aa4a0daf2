// The gradient of a kernel over windows by its input: each element adds up what the windows that cover it give back.
// Flat dy [volumes, out_depth, out_height, out_width, channels]. What a window gives:
// WINNERS  its dy, to the one element that `winners` names by its place in the volume
// TAPS     its dy, to the one element at the place of the window that `winners` names
// FILTER   dy times the flat filter [taps, channels, multiplier], summed over the multiplier
// none     its dy divided by `divisor`, or where that is 0 by the number of its elements inside
#include "element"
#include "window"
// The window that has the element at `position` at this place of it; -1 for none.
int window_at(int position, int stride, int count) {
    int at = position / stride;
    return position >= 0 && at * stride == position && at < count ? at : -1;
}
int covered(int window, int stride, int pad, int extent, int limit) {
    int first = window * stride - pad;
    return min(first + extent, limit) - max(first, 0);
}
VALUE element(int i) {
    int place = i / window_channels;
    int channel = i - place * window_channels;
    int line = place / in_width;
    int plane = line / in_height;
    int volume = plane / in_depth;
    int x = place - line * in_width;
    int y = line - plane * in_height;
    int z = plane - volume * in_depth;
    VALUE total = VALUE(0);
    int tap = -1;
    for (int dz = 0; dz < filter_depth; dz++) {
        int oz = window_at(z + pad_front - dz * dilation_depth, stride_depth, out_depth);
        for (int dy = 0; dy < filter_height; dy++) {
            int oy = window_at(y + pad_top - dy * dilation_height, stride_height, out_height);
            for (int dx = 0; dx < filter_width; dx++) {
                int ox = window_at(x + pad_left - dx * dilation_width, stride_width, out_width);
                tap++;
                if (oz < 0 || oy < 0 || ox < 0) continue;
                int window = ((volume * out_depth + oz) * out_height + oy) * out_width + ox;
                int at = window * window_channels + channel;
#if defined(WINNERS)
                if (winners_at(at) == place_in_volume(z, y, x, channel)) total += dy_at(at);
#elif defined(TAPS)
                if (winners_at(at) == tap) total += dy_at(at);
#elif defined(FILTER)
                for (int m = 0; m < multiplier; m++)
                    total += dy_at(at * multiplier + m) * filter_at((tap * window_channels + channel) * multiplier + m);
#else
                int count = divisor > 0 ? divisor : covered(oz, stride_depth, pad_front, filter_depth, in_depth)
                    * covered(oy, stride_height, pad_top, filter_height, in_height)
                    * covered(ox, stride_width, pad_left, filter_width, in_width);
                total += dy_at(at) / VALUE(count);
#endif
            }
        }
    }
    return total;
}
