// Whole powers of integers.
// Repeated squaring, wrapping like a product; a negative exponent truncates 1 / x^n.
int power(int x, int n) {
    if (n < 0) return x == 1 ? 1 : x == -1 ? ((n & 1) == 0 ? 1 : -1) : 0;
    int result = 1;
    while (n != 0) {
        if ((n & 1) != 0) result *= x;
        x *= x;
        n >>= 1;
    }
    return result;
}
ivec4 power(ivec4 x, ivec4 n) {
    return ivec4(power(x.x, n.x), power(x.y, n.y), power(x.z, n.z), power(x.w, n.w));
}
