"""Converter of trained models into model.json and weight shards; no TensorFlow, no GL."""
