// Random numbers, the same as TensorFlow's kernels give for the same seeds: WHOLE numbers in [low, low + range),
// NORMAL ones (Box and Muller), NORMAL and TRUNCATED at two standard deviations, or else uniform ones in [0, 1);
// floats times `factor` plus `offset`.
#include "texel"
#include "philox"
#ifdef NORMAL
#include "math/logarithm"
#include "math/trigonometric"
vec4 normal(uvec4 words) {
    vec4 unit = in_unit(words);
    vec2 radius = sqrt(-2.0 * log_exact(max(unit.xzxz, vec4(1.0e-7)))).xy;
    vec4 angle = 6.28318548 * unit.ywyw;
    vec4 sine = sin_exact(angle);
    vec4 cosine = cos_exact(angle);
    return radius.xxyy * vec4(sine.x, cosine.x, sine.y, cosine.y);
}
#endif
VALUE4 texel(int t) {
#if defined(WHOLE)
    return ivec4(uint(low) + random_words(uvec2(0u, uint(t))) % uint(range));
#elif defined(TRUNCATED)
    // Each four numbers have 256 counters of their own to choose from.
    uvec2 counter = uvec2(uint(t) >> 24, uint(t) << 8);
    vec4 chosen = vec4(0.0);
    int count = 0;
    for (int i = 0; i < 256 && count < 4; i++) {
        vec4 four = normal(random_words(counter));
        counter.y++;
        for (int k = 0; k < 4 && count < 4; k++) {
            if (abs(four.x) < 2.0) {
                chosen = vec4(chosen.yzw, four.x);
                count++;
            }
            four = four.yzwx;
        }
    }
    return chosen * factor + offset;
#elif defined(NORMAL)
    return normal(random_words(uvec2(0u, uint(t)))) * factor + offset;
#else
    return in_unit(random_words(uvec2(0u, uint(t)))) * factor + offset;
#endif
}
