// Angles too large for Cody and Waite's subtraction: x = r + q pi/2 with |r| <= pi/4, for any finite float (Payne and
// Hanek 1983). x is m 2^e with an integer m below 2^24; of 2/pi only the 96 bits that stand from 2^(1-e) down matter, as
// higher ones give multiples of four turns' quarters. The product's top two bits are q, the others the fraction.
const uint TWO_OVER_PI[8] = uint[8](
    0u, 0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u, 0xF534DDC0u, 0xDB629599u, 0x3C439041u, 0xFE5163ABu);

// The high word of a product.
uint high_word(uint a, uint m) {
    uint al = a & 0xFFFFu, ah = a >> 16;
    uint ml = m & 0xFFFFu, mh = m >> 16;
    uint mid = ah * ml + ((al * ml) >> 16);
    uint oth = al * mh + (mid & 0xFFFFu);
    return ah * mh + (mid >> 16) + (oth >> 16);
}

uint bits_from(int wd, int sh) {
    uint fst = TWO_OVER_PI[wd];
    return sh == 0 ? fst : (fst << sh) | (TWO_OVER_PI[min(wd + 1, 7)] >> (32 - sh));
}

// r as the sum of the result and `lo`.
float large_angle(float x, out int q, out float lo) {
    uint b = floatBitsToUint(abs(x));
    int e = int(b >> 23) - 150;
    uint m = (b & 0x7FFFFFu) | 0x800000u;
    int at = e + 30;  // of the table's bits: a word of nz stands before 2/pi
    int wd = at >> 5, sh = at & 31;
    uint w0 = bits_from(wd, sh), w1 = bits_from(wd + 1, sh), w2 = bits_from(wd + 2, sh);
    uint lw = w2 * m;
    uint mid = w1 * m + high_word(w2, m);
    uint c = mid < w1 * m ? 1u : 0u;
    uint hi = w0 * m + high_word(w1, m) + c;
    q = int(hi >> 30);
    // The fraction in 2^-62; beyond a half the next quarter is nearer.
    uint f = (hi << 2) | (mid >> 30);
    uint g = (mid << 2) | (lw >> 30);
    bool up = (f >> 31) == 1u;
    if (up) {
        f = ~f;
        g = ~g;
        q++;
    }
    // Its leading 32 bits, times pi/2 in 2^-31.
    int nz = 0;
    if (f == 0u) { f = g; g = 0u; nz = 32; }
    if (f < 0x10000u) { f = (f << 16) | (g >> 16); g <<= 16; nz += 16; }
    if (f < 0x1000000u) { f = (f << 8) | (g >> 24); g <<= 8; nz += 8; }
    if (f < 0x10000000u) { f = (f << 4) | (g >> 28); g <<= 4; nz += 4; }
    if (f < 0x40000000u) { f = (f << 2) | (g >> 30); g <<= 2; nz += 2; }
    if (f < 0x80000000u) { f = (f << 1) | (g >> 31); nz += 1; }
    uint p = high_word(f, 0xC90FDAA2u);
    float un = uintBitsToFloat(uint(96 - nz) << 23);
    if (up != (x < 0.0)) un = -un;
    if (x < 0.0) q = -q;
    lo = float(p & 0xFFu) * un;
    return float(p & 0xFFFFFF00u) * un;
}
