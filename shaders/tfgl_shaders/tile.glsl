// Entry point: the body computes one texel column, LAYERS rows, of the tiled output.
// `at` is (w, row) with row = (n * bands + h / LAYERS) * blocks + c / 4; channel
// lanes beyond out_channels hold zeros. Rows count from out_first_row, where the tensor begins in its texture.
void tile(ivec2 at, out VALUE4 rows[LAYERS]);

void run(ivec2 place) {
    ivec2 at = place - ivec2(0, out_first_row);
    VALUE4 rows[LAYERS];
    tile(at, rows);
#ifdef EPILOGUE
    for (int r = 0; r < LAYERS; r++) rows[r] = epilogue(rows[r], at, r);
#endif
    int left = out_channels - 4 * (at.y - (at.y / out_blocks) * out_blocks);
    if (left < 4) {
        for (int r = 0; r < LAYERS; r++) {
            if (left < 2) rows[r].y = VALUE(0);
            if (left < 3) rows[r].z = VALUE(0);
            rows[r].w = VALUE(0);
        }
    }
    write(place, rows);
}
