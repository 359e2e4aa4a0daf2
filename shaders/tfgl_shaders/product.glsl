// A product of matrices, operands as they lie: for small products.
#include "texel"
#include "activation"
VALUE4 texel(int t) {
    VALUE4 sums = VALUE4(0);
    VALUE4 biases = VALUE4(0);
    VALUE4 slope = slopes(0);
    // One lane after another, in a loop that compilers do not unroll: integer division is long code.
    int end = min(4 * t + 4, out_size);
    for (int i = 4 * t; i < end; i++) {
        int line = i / out_columns;
        int column = i - line * out_columns;
        int n = line / out_rows;
        int from_a = (line - n * out_rows) * a_row_step;
        int from_b = column * b_column_step;
        for (int d = MATRIX_AXES - 1; d > 0; d--) {
            int q = n / matrix_dims(d);
            int k = n - q * matrix_dims(d);
            from_a += k * a_matrix_strides(d);
            from_b += k * b_matrix_strides(d);
            n = q;
        }
        from_a += n * a_matrix_strides(0);
        from_b += n * b_matrix_strides(0);
        VALUE sum = VALUE(0);
        for (int first = 0; first < in_terms; first += 256) {
            int last = min(first + 256, in_terms);
            VALUE part = VALUE(0);
            for (int k = first; k < last; k++) {
                part += a_at(from_a) * b_at(from_b);
                from_a += a_column_step;
                from_b += b_row_step;
            }
            sum += part;
        }
        // Shifting the lanes along writes each in its turn without a dynamic index.
        sums = VALUE4(sums.yzw, sum);
        biases = VALUE4(biases.yzw, bias_at(column * bias_step));
#ifdef PRELU
        slope = VALUE4(slope.yzw, alpha_at(column * alpha_step));
#endif
    }
    VALUE4 value = activated(sums + biases, slope);
    int missing = 4 * t + 4 - end;
    return missing < 2 ? (missing == 0 ? value : value.yzwx) : (missing == 2 ? value.zwxy : value.wxyz);
}
