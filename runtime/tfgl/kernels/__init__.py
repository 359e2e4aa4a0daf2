"""Kernels, one file a family; each registered under its TensorFlow.js name."""
