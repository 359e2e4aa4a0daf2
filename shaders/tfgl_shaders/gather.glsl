// x [batch, gather_outer, gather_extent, gather_inner] at indices [batch, gather_count] along its third axis:
// [batch, gather_outer, gather_count, gather_inner]. An index out of range gives zeros. ALIGNED: rows of texels.
#ifdef ALIGNED
#define UNIT VALUE4
#define X_UNIT(i) x_texel(i)
#include "texel"
VALUE4 texel(int i) {
#else
#define UNIT VALUE
#define X_UNIT(i) x_at(i)
#include "element"
VALUE element(int i) {
#endif
    int line = i / gather_inner;
    int lane = i - line * gather_inner;
    int outer = line / gather_count;
    int slot = line - outer * gather_count;
    int index = indices_at((outer / gather_outer) * gather_count + slot);
    if (index < 0 || index >= gather_extent) return UNIT(0);
    return X_UNIT((outer * gather_extent + index) * gather_inner + lane);
}
