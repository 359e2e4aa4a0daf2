// The nearest integer, the upper one of two. Compares with below + 0.5 instead of adding 0.5 to the position:
// a fused multiply-add would skip the rounding of the product that the position is.
int half_up(float position) {
    float below = floor(position);
    return int(position >= below + 0.5 ? below + 1.0 : below);
}
