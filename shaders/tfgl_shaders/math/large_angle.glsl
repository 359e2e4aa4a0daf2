// Angles too large for Cody and Waite's subtraction: x = r + q pi/2 with |r| <= pi/4, for any finite float (Payne and
// Hanek 1983). x is m 2^e with an integer m below 2^24; of 2/pi only the 96 bits that stand from 2^(1-e) down matter, as
// higher ones give multiples of four turns' quarters. The product's top two bits are q, the others the fraction.
const uint TWO_OVER_PI[8] = uint[8](
    0u, 0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u, 0xF534DDC0u, 0xDB629599u, 0x3C439041u, 0xFE5163ABu);

// High and low word of a product, the second factor below 2^24.
uint high_word(uint a, uint m) {
    uint al = a & 0xFFFFu, ah = a >> 16;
    uint ml = m & 0xFFFFu, mh = m >> 16;
    uint middle = ah * ml + ((al * ml) >> 16);
    uint other = al * mh + (middle & 0xFFFFu);
    return ah * mh + (middle >> 16) + (other >> 16);
}

uint bits_from(int word, int shift) {
    uint first = TWO_OVER_PI[word];
    return shift == 0 ? first : (first << shift) | (TWO_OVER_PI[min(word + 1, 7)] >> (32 - shift));
}

float large_angle(float x, out int q) {
    uint bits = floatBitsToUint(abs(x));
    int exponent = int(bits >> 23) - 150;
    uint m = (bits & 0x7FFFFFu) | 0x800000u;
    int from = exponent + 30;  // of the table's bits: a word of zeros stands before 2/pi
    int word = from >> 5, shift = from & 31;
    uint w0 = bits_from(word, shift), w1 = bits_from(word + 1, shift), w2 = bits_from(word + 2, shift);
    uint low = w2 * m;
    uint middle = w1 * m + high_word(w2, m);
    uint carry = middle < w1 * m ? 1u : 0u;
    uint high = w0 * m + high_word(w1, m) + carry;
    q = int(high >> 30);
    // The fraction in 2^-62; beyond a half the next quarter is nearer.
    uint f = (high << 2) | (middle >> 30);
    uint g = (middle << 2) | (low >> 30);
    bool beyond = (f >> 31) == 1u;
    if (beyond) {
        f = ~f;
        g = ~g;
        q++;
    }
    float r = (float(f) * 2.3283064365386963e-10 + float(g) * 5.421010862427522e-20) * 1.5707963267948966;
    r = beyond ? -r : r;
    if (x < 0.0) {
        q = -q;
        r = -r;
    }
    return r;
}
