// Images [n, height, width, channels] turned about (center_x, center_y), nearest pixels. Beyond the edges fill_all,
// or with fill_colours 1 one number for each of three channels, 255 for a fourth and 0 for others.
#include "element"
#include "math/precise"
int half_up_or_outside(float at, int extent) {
    float below = floor(at);
    float whole = at >= below + 0.5 ? below + 1.0 : below;
    return whole >= 0.0 && whole < float(extent) ? int(whole) : -1;
}
VALUE element(int i) {
    int pixel = i / image_channels;
    int channel = i - pixel * image_channels;
    int line = pixel / image_width;
    int n = line / image_height;
    float across = float(pixel - line * image_width) - center_x;
    float down = float(line - n * image_height) - center_y;
    PRECISE float column = across * cosine - down * sine + center_x;
    PRECISE float row = across * sine + down * cosine + center_y;
    int x = half_up_or_outside(column, image_width);
    int y = half_up_or_outside(row, image_height);
    if (x >= 0 && y >= 0) return image_at(((n * image_height + y) * image_width + x) * image_channels + channel);
    if (fill_colours == 0) return VALUE(fill_all);
    return VALUE(channel == 0 ? fill_red : channel == 1 ? fill_green : channel == 2 ? fill_blue : channel == 3 ? 255.0 : 0.0);
}
