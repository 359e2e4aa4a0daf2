"""Writes kernels.npz: what TensorFlow's CPU kernels give for the rows below, each run once in a fresh process.

    python tests/goldens/make_kernels.py        # needs TensorFlow (2.19 made the file)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("kernels.npz")

_SEEDS = {"seed": 2**40 + 1234567, "seed2": -3}
_NOW = {"seed": [3, -5]}

# Name -> op, arguments of tf.raw_ops. Each op with a seed stands once: its generator counts on from call to call.
RANDOM: dict[str, tuple[str, dict[str, Any]]] = {
    "uniform": ("RandomUniform", {"shape": [5, 7], "dtype": "float32", **_SEEDS}),
    "normal": ("RandomStandardNormal", {"shape": [5, 7], "dtype": "float32", **_SEEDS}),
    "truncated": ("TruncatedNormal", {"shape": [201], "dtype": "float32", **_SEEDS}),
    "whole": ("RandomUniformInt", {"shape": [5, 7], "minval": -7, "maxval": 1000, **_SEEDS}),
    "whole_wide": ("RandomUniformInt", {"shape": [9], "minval": -(2**31), "maxval": 2**31 - 1, "seed": 7, "seed2": 0}),
    "stateless_uniform": ("StatelessRandomUniform", {"shape": [5, 7], **_NOW}),
    "stateless_normal": ("StatelessRandomNormal", {"shape": [5, 7], **_NOW}),
    "stateless_truncated": ("StatelessTruncatedNormal", {"shape": [51], **_NOW}),
    "stateless_whole": ("StatelessRandomUniformInt", {"shape": [9], "minval": -7, "maxval": 1000, **_NOW}),
}


def transform_inputs() -> tuple[Any, Any]:
    """Images, and maps of which the last two reach far beyond the edges."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 5, 8, 1)).astype(np.float32)
    maps = (rng.normal(size=(4, 8)) * 0.3).astype(np.float32)
    maps[:, 6:] *= 0.05
    maps[:, [0, 4]] += 1
    maps[2:] *= 30
    return images, maps


TRANSFORM = [(fill, mix) for fill in ("CONSTANT", "REFLECT", "WRAP", "NEAREST") for mix in ("NEAREST", "BILINEAR")]


def main() -> None:
    """Run every row and write the file."""
    import tensorflow as tf

    results = {}
    for name, (op, arguments) in RANDOM.items():
        results[name] = getattr(tf.raw_ops, op)(**arguments).numpy()
    images, maps = transform_inputs()
    for fill, mix in TRANSFORM:
        results[f"transform_{fill}_{mix}"] = tf.raw_ops.ImageProjectiveTransformV3(
            images=images, transforms=maps, output_shape=[5, 6], fill_value=-1.5, fill_mode=fill, interpolation=mix
        ).numpy()
    np.savez_compressed(FILE, **results)
    print(f"{FILE}: {len(results)} arrays, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
