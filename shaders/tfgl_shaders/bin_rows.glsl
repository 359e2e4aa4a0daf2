// Bins of each line of x, line after line; -1 for a value that has none.
#include "element"
int element(int i) {
    int value = x_at(i);
    return value >= 0 && value < bin_count ? (i / line_size) * bin_count + value : -1;
}
