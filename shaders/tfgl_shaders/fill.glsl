// Every element is fill_value.
#include "texel"
VALUE4 texel(int t) {
    return VALUE4(fill_value);
}
