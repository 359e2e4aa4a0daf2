// requires: nan exponential logarithm
// softplus: log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)).
// Worst error in ulp, measured on llvmpipe: 1.66.
vec4 softplus_exact(vec4 x) {
    vec4 v = max(x, 0.0) + log1p_series(exp_scaled(max(-abs(x), -105.0), 0), vec4(0.0));
    return keep_nan(x, v);
}
float softplus_exact(float x) { return softplus_exact(vec4(x)).x; }
