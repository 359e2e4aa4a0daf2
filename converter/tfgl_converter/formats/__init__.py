"""Readers of source models, one file a format."""
