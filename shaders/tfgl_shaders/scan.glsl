// Cumulative sums or products along the middle of [outer, axis_size, axis_inner].
// Places count from the end where scan_reverse. An element combines what its block of scan_block
// places holds up to it; scan_prefix says that `prefix` [outer, blocks, axis_inner] holds what came
// before the block. With scan_whole the output is that of whole blocks: [outer, blocks, axis_inner].
#include "lanes"
VALUE element(int i) {
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
        stop = scan_exclusive == 1 ? place : place + 1;
    }
    int count = stop - block * scan_block;
    int step = scan_reverse == 1 ? -axis_inner : axis_inner;
    int first = block * scan_block;
    if (scan_reverse == 1) first = axis_size - 1 - first;
    int at = (outer * axis_size + first) * axis_inner + lane;
    VALUE total = VALUE(IDENTITY);
    for (int n = 0; n < count; n++) {
        total = COMBINE(total, x_at(at));
        at += step;
    }
    if (scan_prefix == 1) total = COMBINE(prefix_at((outer * scan_blocks + block) * axis_inner + lane), total);
    return total;
}
