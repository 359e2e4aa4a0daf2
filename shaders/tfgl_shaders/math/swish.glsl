// requires: sigmoid
// x sigmoid(x), also called silu (https://arxiv.org/abs/1606.08415).
vec4 swish_exact(vec4 x) { return x * sigmoid_exact(x); }
