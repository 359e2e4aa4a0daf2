// The counter-based generator Philox 4x32 with 10 rounds (Salmon and others, "Parallel random numbers: as easy as
// 1, 2, 3", 2011), keyed as TensorFlow's kernels are: `seed_0`, `seed_1` are the key, `seed_2`, `seed_3` the counter's
// high words.
// The product of two words, (high, low), from products of half words: GLSL has no such function before 4.00.
uvec2 wide_product(uint a, uint b) {
    uint a0 = a & 0xFFFFu;
    uint a1 = a >> 16;
    uint b0 = b & 0xFFFFu;
    uint b1 = b >> 16;
    uint middle = a1 * b0 + ((a0 * b0) >> 16);
    uint lower = a0 * b1 + (middle & 0xFFFFu);
    return uvec2(a1 * b1 + (middle >> 16) + (lower >> 16), a * b);
}
// Four words for the counter's low 64 bits (high, low).
uvec4 random_words(uvec2 counter) {
    uvec4 c = uvec4(counter.y, counter.x, uint(seed_2), uint(seed_3));
    uvec2 key = uvec2(uint(seed_0), uint(seed_1));
    for (int i = 0; i < 10; i++) {
        uvec2 first = wide_product(0xD2511F53u, c.x);
        uvec2 second = wide_product(0xCD9E8D57u, c.z);
        c = uvec4(second.x ^ c.y ^ key.x, second.y, first.x ^ c.w ^ key.y, first.y);
        key += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}
// In [0, 1), from the low 23 bits.
vec4 in_unit(uvec4 words) {
    return uintBitsToFloat((words & 0x7FFFFFu) | 0x3F800000u) - 1.0;
}
