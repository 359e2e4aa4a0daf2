"""model.json, weight shards, dequantisation and http; nothing of GL."""
