// Matrices with zeros outside the band of `lower` diagonals below and `upper` above the main one; negative: all.
#include "element"
VALUE element(int i) {
    int line = i / band_columns;
    int column = i - line * band_columns;
    int below = line - (line / band_rows) * band_rows - column;
    int most_below = lower_at(0);
    int most_above = upper_at(0);
    bool inside = (most_below < 0 || below <= most_below) && (most_above < 0 || -below <= most_above);
    return inside ? x_at(i) : VALUE(0);
}
