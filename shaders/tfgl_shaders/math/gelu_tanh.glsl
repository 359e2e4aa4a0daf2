// requires: hyperbolic
// gelu approximated with tanh (https://arxiv.org/abs/1606.08415).
vec4 gelu_tanh(vec4 x) { return 0.5 * x * (1.0 + tanh_exact(0.797884561 * (x + 0.044715 * x * x * x))); }
