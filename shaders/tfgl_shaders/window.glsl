// Where window number i of a flat [volumes, out_depth, out_height, out_width, window_channels] begins in the input
// [volumes, in_depth, in_height, in_width, window_channels]. Images are volumes of one plane.
struct Window {
    int volume;
    int front;
    int top;
    int left;
    int channel;
};
Window window_of(int i) {
    int place = i / window_channels;
    int line = place / out_width;
    int plane = line / out_height;
    int volume = plane / out_depth;
    return Window(
        volume,
        (plane - volume * out_depth) * stride_depth - pad_front,
        (line - plane * out_height) * stride_height - pad_top,
        (place - line * out_width) * stride_width - pad_left,
        i - place * window_channels);
}
bool is_inside(int z, int y, int x) {
    return z >= 0 && z < in_depth && y >= 0 && y < in_height && x >= 0 && x < in_width;
}
// The place of an element in its volume.
int place_in_volume(int z, int y, int x, int channel) {
    return ((z * in_height + y) * in_width + x) * window_channels + channel;
}
