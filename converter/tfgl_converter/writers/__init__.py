"""What the converter writes, one file a format."""
