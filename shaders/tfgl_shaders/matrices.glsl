// Where matrix k of a batch begins among the elements of an operand that may be broadcast over it.
int matrix_start(int k) {
    int start = 0;
    for (int d = MATRIX_AXES - 1; d > 0; d--) {
        int q = k / matrix_dims(d);
        start += (k - q * matrix_dims(d)) * matrix_strides(d);
        k = q;
    }
    return start + k * matrix_strides(0);
}
