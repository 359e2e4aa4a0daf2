// The place in its row of the element with each rank: [rows, runs, run_length], a run for each block.
#include "element"
int element(int i) {
    int line = i / run_length;
    int rank = i - line * run_length;
    int row = line / run_count;
    int first = (line - row * run_count) * block_size;
    int last = min(first + block_size, row_size);
    int base = row * row_size;
    for (int place = first; place < last; place++) {
        if (ranks_at(base + place) == rank) return place;
    }
    return 0;
}
