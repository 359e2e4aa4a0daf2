// Entry point: the body computes one element of the flat output at a time; in a loop, so that a long
// body is compiled once instead of four times. Lanes beyond the last element hold zeros.
VALUE element(int i);

void run(ivec2 at) {
    int t = (at.y << WIDTH_LOG2) + at.x;
    VALUE4 value = VALUE4(0);
    int lanes = min(4, out_size - t * 4);
    for (int lane = 0; lane < lanes; lane++) {
        VALUE one = element(t * 4 + lane);
        if (lane == 0) value.x = one;
        else if (lane == 1) value.y = one;
        else if (lane == 2) value.z = one;
        else value.w = one;
    }
#ifdef EPILOGUE
    value = epilogue(value, t);
    if (lanes < 2) value.y = VALUE(0);
    if (lanes < 3) value.z = VALUE(0);
    if (lanes < 4) value.w = VALUE(0);
#endif
    write(at, value);
}
