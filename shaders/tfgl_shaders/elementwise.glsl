// One output value from the values of up to four inputs at its place.
// EXPRESSION computes a VALUE4 from the vectors a, b, c, d.
#ifdef TILES_OUTPUT
#define PLACE at, line
#include "tile"
VALUE4 value(ivec2 at, int line);
void tile(ivec2 at, out VALUE4 rows[LAYERS]) {
    for (int line = 0; line < LAYERS; line++) rows[line] = value(at, line);
}
VALUE4 value(ivec2 at, int line) {
#else
#define PLACE t
#include "texel"
VALUE4 texel(int t) {
#endif
    A_VALUE4 a = a_here(PLACE);
#if OPERANDS > 1
    B_VALUE4 b = b_here(PLACE);
#endif
#if OPERANDS > 2
    C_VALUE4 c = c_here(PLACE);
#endif
#if OPERANDS > 3
    D_VALUE4 d = d_here(PLACE);
#endif
    return EXPRESSION;
}
