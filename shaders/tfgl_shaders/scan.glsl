// Cumulative sums or products along the middle of [outer, axis_size, axis_inner].
// Places count from the end where scan_reverse. An element combines what its block of scan_block
// places holds up to it; scan_prefix says that `prefix` [outer, blocks, axis_inner] holds what came
// before the block. With scan_whole the output is that of whole blocks: [outer, blocks, axis_inner].
// scan_path: 0 elements; 1 rows of texels, a place is a texel of four; 2 four neighbouring columns in
// a texel, axis_inner counts texels.
#include "texel"

VALUE4 read_at(int at) {
    return scan_path == 0 ? VALUE4(x_at(at)) : x_texel(at);
}
VALUE4 prefix_of(int at) {
    return scan_path == 2 ? prefix_texel(at) : VALUE4(prefix_at(at));
}
// What the texel's first, first two, ... lanes come to, in the direction of the scan.
VALUE4 within_texel(VALUE4 v) {
    if (scan_reverse == 1) v = v.wzyx;
    VALUE4 two = COMBINE(v.xyzw, v.yzwx);
    VALUE4 sums = VALUE4(v.x, two.x, COMBINE(two.xxxx, v.zzzz).x, COMBINE(two.xxxx, two.zzzz).x);
    if (scan_exclusive == 1) sums = VALUE4(VALUE(IDENTITY), sums.xyz);
    return scan_reverse == 1 ? sums.wzyx : sums;
}
VALUE4 scanned(int i) {
    int line = i / axis_inner;
    int lane = i - line * axis_inner;
    int extent = scan_whole == 1 ? scan_blocks : axis_size;
    int outer = line / extent;
    int place = line - outer * extent;
    int block = place;
    int stop;
    if (scan_whole == 1) {
        stop = min((block + 1) * scan_block, axis_size);
    } else {
        if (scan_reverse == 1) place = axis_size - 1 - place;
        block = place / scan_block;
        stop = scan_exclusive == 1 || scan_path == 1 ? place : place + 1;
    }
    int count = stop - block * scan_block;
    int step = scan_reverse == 1 ? -axis_inner : axis_inner;
    int first = block * scan_block;
    if (scan_reverse == 1) first = axis_size - 1 - first;
    int at = (outer * axis_size + first) * axis_inner + lane;
    VALUE4 total = VALUE4(IDENTITY);
    for (int n = 0; n < count; n++) {
        VALUE4 v = read_at(at);
        total = COMBINE(total, v);
        at += step;
    }
    if (scan_path == 1) {
        total = COMBINE(total, total.zwxy);
        total = COMBINE(total, total.yxwz);
        if (scan_whole == 0) {
            VALUE4 own = within_texel(x_texel(i));
            total = COMBINE(total, own);
        }
    }
    if (scan_prefix == 1) {
        VALUE4 before = prefix_of((outer * scan_blocks + block) * axis_inner + lane);
        total = COMBINE(before, total);
    }
    return total;
}
VALUE4 texel(int t) {
    // Totals of blocks of texels are one number each.
    bool whole_texels = scan_path == 2 || (scan_path == 1 && scan_whole == 0);
    int outputs = whole_texels ? 1 : min(4, out_size - t * 4);
    VALUE4 value = VALUE4(0);
    for (int lane = 0; lane < outputs; lane++) {
        VALUE4 four = scanned(whole_texels ? t : t * 4 + lane);
        if (whole_texels) value = four;
        else if (lane == 0) value.x = four.x;
        else if (lane == 1) value.y = four.x;
        else if (lane == 2) value.z = four.x;
        else value.w = four.x;
    }
    return value;
}
