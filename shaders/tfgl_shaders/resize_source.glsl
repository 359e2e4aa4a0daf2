// Where an output line or column comes from, in single precision as TensorFlow computes it.
#include "half_up"
int nearest_source(int at, float scale, int extent) {
    float position = (half_pixel == 1 ? float(at) + 0.5 : float(at)) * scale;
    return clamp(align_corners == 1 ? half_up(position) : int(floor(position)), 0, extent - 1);
}
// (first, last, weight of the last)
void mixed_source(int at, float scale, int extent, out int first, out int last, out float weight) {
    float position = half_pixel == 1 ? (float(at) + 0.5) * scale - 0.5 : float(at) * scale;
    float below = floor(position);
    first = clamp(int(below), 0, extent - 1);
    last = clamp(int(ceil(position)), 0, extent - 1);
    weight = position - below;
}
