// The products of two blocks of 4 input channels with their weights, in one step of the loop over the blocks: each step
// writes the sums back once. Where the second block is missing, both sides of its products are zeros.
#define WEIGHTS_OF_PAIR(weight, step, is_pair) \
    int second_weight = (is_pair) ? (weight) + 4 * (step) : OUTSIDE; \
    VALUE4 w0 = filter_texel(weight); \
    VALUE4 w1 = filter_texel((weight) + (step)); \
    VALUE4 w2 = filter_texel((weight) + 2 * (step)); \
    VALUE4 w3 = filter_texel((weight) + 3 * (step)); \
    VALUE4 w4 = filter_texel_or_zero(second_weight); \
    VALUE4 w5 = filter_texel_or_zero(second_weight + (step)); \
    VALUE4 w6 = filter_texel_or_zero(second_weight + 2 * (step)); \
    VALUE4 w7 = filter_texel_or_zero(second_weight + 3 * (step));
// The products are summed before they join the running sum, an eighth as many additions to it as there are terms.
#define PRODUCT_OF_PAIR(u, v) \
    (u.x * w0 + u.y * w1 + u.z * w2 + u.w * w3 + v.x * w4 + v.y * w5 + v.z * w6 + v.w * w7)
// With LONG_SUM the running sum begins anew after so many steps, which keeps the rounding errors of long sums small.
#ifdef LONG_SUM
#define STEPS_OF_PART 64
#define BEGIN_SUM VALUE4 total[LAYERS]; int steps = 0; for (int r = 0; r < LAYERS; r++) total[r] = VALUE4(0);
#define END_STEP \
    if (++steps == STEPS_OF_PART) { \
        for (int r = 0; r < LAYERS; r++) { total[r] += rows[r]; rows[r] = VALUE4(0); } \
        steps = 0; \
    }
#define END_SUM for (int r = 0; r < LAYERS; r++) rows[r] += total[r];
#else
#define BEGIN_SUM
#define END_STEP
#define END_SUM
#endif
