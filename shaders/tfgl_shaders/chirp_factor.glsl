// e^(fft_sign pi i n^2 / fft_size): the square is taken modulo 2 fft_size, bit by bit, since it overflows 32 bits.
vec2 chirp(int n) {
    uint whole = 2u * uint(fft_size);
    uint term = uint(n);
    uint square = 0u;
    for (uint bits = term; bits != 0u; bits >>= 1) {
        if ((bits & 1u) != 0u) square = (square + term) % whole;
        term = (2u * term) % whole;
    }
    return root_of_one(int(square), int(whole)) * vec2(1.0, fft_sign);
}
