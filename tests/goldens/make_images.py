"""Draws the small pictures of tests/data/images, which the cases of image decoders read.

    python tests/goldens/make_images.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

IMAGES = Path(__file__).resolve().parents[1] / "data" / "images"
CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def picture(mode: str) -> Image.Image:
    """A picture of slopes."""
    down, along = np.mgrid[0:11, 0:17]
    if mode == "I;16":
        return Image.fromarray((along * 3855 + down).astype(np.uint16))
    planes = [along * 15, down * 23, 255 - along * 9, 55 + down * 20]
    shades = np.stack(planes[: CHANNELS.get(mode, 3)], -1).astype(np.uint8)
    made = Image.fromarray(shades[..., 0] if mode == "L" else shades)
    return made.quantize(16) if mode == "P" else made


def save(mode: str, kind: str, **options: Any) -> None:
    """One file."""
    made = picture(mode)
    if kind == "gif":
        options = {"save_all": True, "append_images": [made.transpose(Image.Transpose.ROTATE_180)]}
    made.save(IMAGES / f"{mode.lower().replace(';', '_')}.{kind}", **options)


def main() -> None:
    """All of them."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for mode in ("L", "LA", "RGB", "RGBA", "P", "I;16"):
        save(mode, "png")
    for mode in ("L", "RGB"):
        save(mode, "jpeg", quality=92)
    save("RGB", "bmp")
    save("P", "gif")


if __name__ == "__main__":
    main()
