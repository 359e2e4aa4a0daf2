// Row numbers of index tuples [rows, index_depth]; -1 where a coordinate is outside its extent.
#include "element"
int element(int i) {
    int row = 0;
    for (int d = 0; d < index_depth; d++) {
        int at = indices_at(i * index_depth + d);
        if (at < 0 || at >= index_extents(d)) return -1;
        row += at * index_strides(d);
    }
    return row;
}
