// Up to PARTS tensors side by side: rows of part_ends(PARTS - 1) elements, part k from
// part_ends(k - 1) to part_ends(k).
#ifdef ALIGNED
#define UNIT VALUE4
#define READ(name, i) name##_texel(i)
#include "texel"
#else
#define UNIT VALUE
#define READ(name, i) name##_at(i)
#include "element"
#endif

#ifdef ALIGNED
VALUE4 texel(int i) {
#else
VALUE element(int i) {
#endif
    int total = part_ends(PARTS - 1);
    int line = i / total;
    int at = i - line * total;
    int e0 = part_ends(0);
    if (at < e0) return READ(a, line * e0 + at);
    int e1 = part_ends(1);
#if PARTS == 2
    return READ(b, line * (e1 - e0) + at - e0);
#else
    if (at < e1) return READ(b, line * (e1 - e0) + at - e0);
    int e2 = part_ends(2);
    if (at < e2) return READ(c, line * (e2 - e1) + at - e1);
    return READ(d, line * (total - e2) + at - e2);
#endif
}
