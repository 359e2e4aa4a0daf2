// Entry point: the body computes one element of the flat output at a time.
// Lanes beyond the last element hold zeros.
VALUE element(int i);

void main() {
    int t = (int(gl_FragCoord.y) << WIDTH_LOG2) + int(gl_FragCoord.x);
    int i = t * 4;
    VALUE zero = VALUE(0);
    VALUE4 value = VALUE4(
        i < out_size ? element(i) : zero,
        i + 1 < out_size ? element(i + 1) : zero,
        i + 2 < out_size ? element(i + 2) : zero,
        i + 3 < out_size ? element(i + 3) : zero);
#ifdef EPILOGUE
    value = epilogue(value, t);
    if (i + 1 >= out_size) value.y = zero;
    if (i + 2 >= out_size) value.z = zero;
    if (i + 3 >= out_size) value.w = zero;
#endif
    out_0 = value;
}
