// The lines of a tile one after another, in a loop whose end no compiler knows: unrolled, a body that computes a line
// by itself takes twice as long to compile, and runs no faster. Moving the lines along writes each in its turn without
// a dynamic index.
#define EACH_LINE(r) for (int r = 0, lines_end = out_height > 0 ? LAYERS : 0; r < lines_end; r++)
#define NEXT_LINE(value) { \
    for (int k = 0; k < LAYERS - 1; k++) rows[k] = rows[k + 1]; \
    rows[LAYERS - 1] = value; \
}
