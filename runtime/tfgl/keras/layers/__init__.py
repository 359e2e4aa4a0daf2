"""Layers by family; the modules of this package register their rows in ``tfgl.keras.registry``."""
