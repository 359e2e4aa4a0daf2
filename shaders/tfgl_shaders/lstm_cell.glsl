// One step of an LSTM. Tiled output [batch, 2, 1, units], units a multiple of 4: line 0 the output h, line 1 the
// cell c; `state` is that of the step before. Flat weights [terms, units / 4, 4 gates, 4 units]: the gates are
// input, forget, candidate, output; the terms those of x, up to the next multiple of 4, then those of h.
// Flat bias [units / 4, 4 gates, 4 units].
#include "tile"
#include "place"
#include "math/sigmoid"
#include "math/hyperbolic"
// Blocks of 4 terms that one partial sum takes: rounding errors grow with its length.
#define CHUNK 64
vec4 x_block(int first, int left) {
#ifdef ALIGNED
    return x_texel(first >> 2);
#else
    vec4 v = vec4(0.0);
    v.x = x_at(first);
    if (left > 1) v.y = x_at(first + 1);
    if (left > 2) v.z = x_at(first + 2);
    if (left > 3) v.w = x_at(first + 3);
    return v;
#endif
}
void tile(ivec2 at, out vec4 rows[LAYERS]) {
    Place place = place_of(at);
    int x_begin = x_first + place.n * x_features;
    int x_blocks = (x_features + 3) >> 2;
    int h_row = place.n * out_bands * out_blocks;
    int weight = 4 * place.block;
    vec4 taken = bias_texel(weight);
    vec4 kept = bias_texel(weight + 1);
    vec4 candidate = bias_texel(weight + 2);
    vec4 shown = bias_texel(weight + 3);
    int last = x_blocks + out_blocks;
    for (int first = 0; first < last; first += CHUNK) {
        vec4 taken_part = vec4(0.0), kept_part = vec4(0.0), candidate_part = vec4(0.0), shown_part = vec4(0.0);
        int stop = min(first + CHUNK, last);
        for (int k = first; k < stop; k++) {
            vec4 v;
            if (k < x_blocks) v = x_block(x_begin + 4 * k, x_features - 4 * k);
            else v = state_tile(0, h_row + k - x_blocks, 0);
            // A loop that compilers cannot unroll: four times the reads take them four times as long.
            for (int lane = 0; lane < gate_terms; lane++) {
                taken_part += v.x * weights_texel(weight);
                kept_part += v.x * weights_texel(weight + 1);
                candidate_part += v.x * weights_texel(weight + 2);
                shown_part += v.x * weights_texel(weight + 3);
                v = v.yzwx;
                weight += 4 * out_blocks;
            }
        }
        taken += taken_part;
        kept += kept_part;
        candidate += candidate_part;
        shown += shown_part;
    }
    int c_row = (place.n * out_bands + (1 >> LAYERS_LOG2)) * out_blocks + place.block;
    vec4 c = sigmoid_exact(kept) * state_tile(0, c_row, 1 & (LAYERS - 1)) + sigmoid_exact(taken) * tanh_exact(candidate);
    vec4 h = sigmoid_exact(shown) * tanh_exact(c);
    for (int r = 0; r < LAYERS; r++) {
        int line = place.band * LAYERS + r;
        rows[r] = line == 0 ? h : line == 1 ? c : vec4(0.0);
    }
}
