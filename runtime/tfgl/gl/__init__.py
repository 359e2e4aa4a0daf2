"""The device: context, textures, programs, draws, recordings and timer queries."""
