// What a scatter computes at a time: a texel of a row when rows are whole texels (ALIGNED), else an element.
// SCATTERED is the function that the body defines.
#ifdef ALIGNED
#define UNIT VALUE4
#define UPDATES_UNIT(i) updates_texel(i)
#define TENSOR_UNIT(i) tensor_texel(i)
#define SCATTERED VALUE4 texel(int i)
#include "texel"
#else
#define UNIT VALUE
#define UPDATES_UNIT(i) updates_at(i)
#define TENSOR_UNIT(i) tensor_at(i)
#define SCATTERED VALUE element(int i)
#include "element"
#endif
