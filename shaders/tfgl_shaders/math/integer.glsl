// int32 arithmetic over its whole range, wrapping as TensorFlow's does. Division by 0 gives 0 in all four functions
// (TensorFlow refuses it, TensorFlow.js stores a NaN as 0); INT_MIN / -1 wraps to INT_MIN. The GLSL operators leave both
// undefined, and % with a negative operand too.
// Measured on llvmpipe: exact.
ivec4 multiply_exact(ivec4 x, ivec4 y) { return x * y; }
int multiply_exact(int x, int y) { return x * y; }

ivec4 select_int(bvec4 c, ivec4 x, ivec4 y) {
    ivec4 m = -ivec4(c);
    return (x & m) | (y & ~m);
}

// Toward zero. The divisors 0 and -1 never reach the operator.
ivec4 truncate_div(ivec4 x, ivec4 y) {
    bvec4 neg = equal(y, ivec4(-1));
    bvec4 nil = equal(y, ivec4(0));
    ivec4 q = x / select_int(neg, ivec4(1), select_int(nil, ivec4(1), y));
    return select_int(nil, ivec4(0), select_int(neg, -x, q));
}
int truncate_div(int x, int y) { return truncate_div(ivec4(x), ivec4(y)).x; }
ivec4 truncate_mod(ivec4 x, ivec4 y) {
    return select_int(equal(y, ivec4(0)), ivec4(0), x - y * truncate_div(x, y));
}
int truncate_mod(int x, int y) { return truncate_mod(ivec4(x), ivec4(y)).x; }

// Toward minus infinity; the remainder has the divisor's sign. A remainder r is of the wrong sign where r ^ y < 0.
ivec4 floor_div(ivec4 x, ivec4 y) {
    ivec4 q = truncate_div(x, y);
    ivec4 r = truncate_mod(x, y);
    return q - ivec4(notEqual(r, ivec4(0))) * ivec4(lessThan(r ^ y, ivec4(0)));
}
int floor_div(int x, int y) { return floor_div(ivec4(x), ivec4(y)).x; }
ivec4 floor_mod(ivec4 x, ivec4 y) {
    ivec4 r = truncate_mod(x, y);
    return r + y * ivec4(notEqual(r, ivec4(0))) * ivec4(lessThan(r ^ y, ivec4(0)));
}
int floor_mod(int x, int y) { return floor_mod(ivec4(x), ivec4(y)).x; }

// Repeated squaring, wrapping. A negative exponent is 1 / x^n toward zero: 0 but for the bases 1 and -1
// (TensorFlow refuses it), and 0 for base 0.
ivec4 pow_exact(ivec4 x, ivec4 n) {
    bvec4 neg = lessThan(n, ivec4(0));
    // 1 and -1 have order 2: the lowest bit of n decides, for negative n too.
    ivec4 m = select_int(neg, n & 1, n);
    ivec4 r = select_int(neg, ivec4(equal(abs(x), ivec4(1))), ivec4(1));
    for (int i = 0; i < 31 && any(notEqual(m, ivec4(0))); i++) {
        r *= select_int(equal(m & 1, ivec4(1)), x, ivec4(1));
        x *= x;
        m >>= 1;
    }
    return r;
}
int pow_exact(int x, int n) { return pow_exact(ivec4(x), ivec4(n)).x; }
