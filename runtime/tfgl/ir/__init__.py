"""The graph, its op tables, shape and dtype rules and a float64 NumPy reference; nothing of GL."""
