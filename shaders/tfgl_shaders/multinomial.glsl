// Drawn classes [rows, sample_count]: the first whose part of the running sums [rows, class_count] is above a uniform
// number times their total.
#include "element"
#include "philox"
int element(int i) {
    int row = i / sample_count;
    int base = row * class_count;
    float limit = in_unit(random_words(uvec2(0u, uint(i)))).x * sums_at(base + class_count - 1);
    int first = 0;
    int last = class_count - 1;
    while (first < last) {
        int middle = (first + last) / 2;
        if (sums_at(base + middle) > limit) last = middle;
        else first = middle + 1;
    }
    return first;
}
