"""Layers models: Keras layers from model.json and shards, run by the executor of graph models."""
