// The elements of each row at the places found.
#include "element"
VALUE element(int i) {
    return x_at((i / kept_size) * row_size + places_at(i));
}
