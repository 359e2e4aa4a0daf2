// flat [matrices, out_rows, out_columns]: in_rows x in_columns elements found by steps, then zeros.
#include "texel"
#include "matrices"
VALUE4 texel(int t) {
    int i = t * 4;
    int line = i / out_columns;
    int column = i - line * out_columns;
    int matrix = line / out_rows;
    int row = line - matrix * out_rows;
    VALUE4 v = VALUE4(0);
    int left = in_columns - column;
    if (row < in_rows && left > 0) {
        int from = matrix_start(matrix) + row * row_step + column * column_step;
        v.x = x_at(from);
        if (left > 1) v.y = x_at(from + column_step);
        if (left > 2) v.z = x_at(from + 2 * column_step);
        if (left > 3) v.w = x_at(from + 3 * column_step);
    }
    return v;
}
