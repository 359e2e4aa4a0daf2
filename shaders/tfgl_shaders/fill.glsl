// Every element is fill_value.
#ifdef TILES_OUTPUT
#include "tile"
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    for (int r = 0; r < LAYERS; r++) rows[r] = VALUE4(fill_value);
}
#else
#include "texel"
VALUE4 texel(int t) {
    return VALUE4(fill_value);
}
#endif
