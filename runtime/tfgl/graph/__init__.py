"""Graph models: load, execute, capture and replay."""
