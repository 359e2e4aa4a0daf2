// Where each value belongs in its row of sorted numbers: before its equals, or after them where search_right.
#include "element"
int element(int i) {
    int base = (i / value_count) * row_size;
    int low = 0;
    int high = row_size;
    while (low < high) {
        int middle = (low + high) / 2;
        if (row_at(base + middle) < values_at(i) || (search_right == 1 && row_at(base + middle) == values_at(i))) low = middle + 1;
        else high = middle;
    }
    return low;
}
