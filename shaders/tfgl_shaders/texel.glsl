// Entry point: the body computes one texel, four elements, of the flat output.
// Lanes beyond the last element hold zeros.
VALUE4 texel(int t);

void run(ivec2 at) {
    int t = (at.y << WIDTH_LOG2) + at.x;
    VALUE4 value = texel(t);
#ifdef EPILOGUE
    value = epilogue(value, t);
#endif
    int left = out_size - t * 4;
    if (left < 4) {
        if (left < 2) value.y = VALUE(0);
        if (left < 3) value.z = VALUE(0);
        value.w = VALUE(0);
    }
    write(at, value);
}
