// Integers in the order of the values: NaN is above all, both zeros are the same.
int sort_key(int v) { return v; }
int sort_key(float v) {
    int bits = floatBitsToInt(v);
    int magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return 0x7FFFFFFF;
    return bits < 0 ? -magnitude : bits;
}
