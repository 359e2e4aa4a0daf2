// Partial sums of products with few rows: flat [rows, parts_count, 4 * out_blocks], part p of a row takes chunk_size
// blocks of 4 terms. flat a [rows, 4 * in_blocks], filter [matrices, 4 * in_blocks, 4 * out_blocks].
#include "texel"
VALUE4 texel(int t) {
    int place = t / out_blocks;
    int line = place / parts_count;
    int first = (place - line * parts_count) * chunk_size;
    int last = min(first + chunk_size, in_blocks);
    int weight = line / in_rows * filter_step + 4 * first * out_blocks + t - place * out_blocks;
    VALUE4 sum = VALUE4(0);
    for (int k = first; k < last; k++) {
        VALUE4 v = a_texel(line * in_blocks + k);
        sum += v.x * filter_texel(weight) + v.y * filter_texel(weight + out_blocks)
            + v.z * filter_texel(weight + 2 * out_blocks) + v.w * filter_texel(weight + 3 * out_blocks);
        weight += 4 * out_blocks;
    }
    return sum;
}
