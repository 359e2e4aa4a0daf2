// x inside a frame: a constant (pad_mode 0), or x mirrored with (2) or without (1) its border.
#include "element"

VALUE element(int i) {
    int offset = 0;
    bool inside = true;
    for (int d = in_rank - 1; d >= 0; d--) {
        int q = i / out_dims(d);
        int c = i - q * out_dims(d) - pad_before(d);
        i = q;
        int n = in_dims(d);
        if (pad_mode == 0) {
            inside = inside && c >= 0 && c < n;
        } else {
            int shift = pad_mode - 1;
            if (c < 0) c = -c - shift;
            if (c >= n) c = 2 * (n - 1) + shift - c;
        }
        offset += c * in_strides(d);
    }
    return inside ? x_at(offset) : pad_value;
}
