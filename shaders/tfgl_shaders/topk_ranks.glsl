// How many elements of its block of a row come before each element; of equals the first comes first.
#include "element"
#include "sort_key"
int element(int i) {
    int row = i / row_size;
    int place = i - row * row_size;
    int first = (place / block_size) * block_size;
    int last = min(first + block_size, row_size);
    int key = sort_key(x_at(i));
    int rank = 0;
    int base = row * row_size;
    for (int other = first; other < last; other++) {
        int rival = sort_key(x_at(base + other));
        if (rival > key || (rival == key && other < place)) rank++;
    }
    return rank;
}
