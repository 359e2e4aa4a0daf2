"""TensorFlow.js models from Python, without a browser."""
