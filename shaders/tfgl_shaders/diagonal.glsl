// x on the diagonal of a square matrix of diagonal_size lines.
#include "element"
VALUE element(int i) {
    int line = i / diagonal_size;
    return i - line * diagonal_size == line ? x_at(line) : VALUE(0);
}
