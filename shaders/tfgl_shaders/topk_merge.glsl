// Two neighbouring runs become one. A run holds places in its row, the largest element first; it covers
// run_span elements of the row and keeps run_length of them. Output [rows, merged_count, merged_length].
#include "element"
#include "sort_key"
int key_of(int row, int slot) {
    return sort_key(x_at(row * row_size + places_at(slot)));
}
int element(int i) {
    int line = i / merged_length;
    int slot = i - line * merged_length;
    int row = line / merged_count;
    int run = 2 * (line - row * merged_count);
    int left = (row * run_count + run) * run_length;
    int right = left + run_length;
    int left_size = min(run_length, row_size - run * run_span);
    int right_size = run + 1 < run_count ? min(run_length, row_size - (run + 1) * run_span) : 0;
    if (slot >= left_size + right_size) return 0;
    // Of the first `slot` elements, how many come from the left: the fewest such that the right's next
    // does not come before the last of them. Equal ones come from the left first.
    int low = max(0, slot - right_size);
    int high = min(slot, left_size);
    while (low < high) {
        int middle = (low + high) / 2;
        if (key_of(row, left + middle) >= key_of(row, right + slot - middle - 1)) low = middle + 1;
        else high = middle;
    }
    int other = slot - low;
    bool from_left = low < left_size && (other >= right_size || key_of(row, left + low) >= key_of(row, right + other));
    return from_left ? places_at(left + low) : places_at(right + other);
}
