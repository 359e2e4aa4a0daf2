// Which element of each window is the largest, the first of equal ones; -1 where there is none. The result is the
// element's place in its volume, with whole_batch 1 that in the batch. NaN replaces nothing and is replaced by any
// number, as in the original.
// With TAPS: which place of the window has the largest x + filter, flat filter [depth, height, width, channels];
// what is not above the lowest number counts for nothing.
#include "element"
#include "window"
#include "math/nan"
#ifdef TAPS
#define LARGER(v) ((v) > (best < 0 ? LOWEST : most))
#elif defined(WHOLE_NUMBERS)
#define LARGER(v) (best < 0 || (v) > most)
#else
#define LARGER(v) (best < 0 || (v) > most || (is_nan(most) && !is_nan(v)))
#endif
int element(int i) {
    Window window = window_of(i);
    int volume = window.volume * in_depth * in_height * in_width * window_channels;
    int best = -1;
    X_VALUE most = X_VALUE(0);
    int tap = -1;
    for (int dz = 0; dz < filter_depth; dz++) {
        int z = window.front + dz * dilation_depth;
        for (int dy = 0; dy < filter_height; dy++) {
            int y = window.top + dy * dilation_height;
            for (int dx = 0; dx < filter_width; dx++) {
                int x = window.left + dx * dilation_width;
                tap++;
                if (!is_inside(z, y, x)) continue;
                int place = place_in_volume(z, y, x, window.channel);
                X_VALUE v = x_at(volume + place);
#ifdef TAPS
                v += filter_at(tap * window_channels + window.channel);
#endif
                if (LARGER(v)) {
                    most = v;
#ifdef TAPS
                    best = tap;
#else
                    best = place + whole_batch * volume;
#endif
                }
            }
        }
    }
    return best;
}
