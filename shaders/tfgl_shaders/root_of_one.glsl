#include "math/trigonometric"
// e^(2 pi i part / whole), from an angle that is exact up to an eighth of a turn.
vec2 root_of_one(int part, int whole) {
    int quarters = (8 * part + whole) / (2 * whole);
    float turn = float(4 * part - quarters * whole) / float(whole);
    vec4 angle = vec4(turn * 1.57079637);
    vec4 rest = vec4(turn * -4.37113883e-8);
    float sine = sin_series(angle, rest).x;
    float cosine = cos_series(angle, rest).x;
    vec2 root = (quarters & 1) == 0 ? vec2(cosine, sine) : vec2(-sine, cosine);
    return (quarters & 2) == 0 ? root : -root;
}
