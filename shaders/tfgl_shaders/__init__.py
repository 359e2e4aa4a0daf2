"""GLSL sources of tfgl and their assembly; no GL call, no NumPy."""
