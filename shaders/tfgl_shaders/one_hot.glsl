// on_value where the last coordinate is the index, off_value elsewhere.
#include "element"
VALUE element(int i) {
    int line = i / depth_size;
    return indices_at(line) == i - line * depth_size ? on_value : off_value;
}
