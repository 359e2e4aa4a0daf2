"""A small convolutional network, converted from Keras, reads handwritten digits that it was not trained on.

Prints what it reads beside the truth, the accuracy, and where the time of a first and of a later
inference goes; saves a contact sheet of all held-out digits, misread ones marked, as PNG.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rich
from PIL import Image, ImageDraw, ImageFont

import tfgl
import tfgl.profile
from train import digits

SHOWN = 20
SCALE = 5  # screen pixels a pixel of a digit
COLUMNS = 24

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def contact_sheet(images: Images, truth: Labels, read: Labels) -> Image.Image:
    """Every image with the digit that was read below it; red where it is another than the truth."""
    font = ImageFont.load_default()
    digit = 8 * SCALE
    cell_width, cell_height = digit + 6, digit + 18
    rows = -(-len(images) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * cell_width, rows * cell_height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (image, true, found) in enumerate(zip(images, truth, read, strict=True)):
        left, top = index % COLUMNS * cell_width, index // COLUMNS * cell_height
        grey = Image.fromarray((255 * (1 - image[..., 0])).astype(np.uint8))
        wrong = true != found
        if wrong:
            draw.rectangle((left, top, left + cell_width - 1, top + cell_height - 1), fill=(255, 208, 208))
        sheet.paste(grey.resize((digit, digit), Image.Resampling.NEAREST), (left + 3, top + 3))
        text = f"{found}, is {true}" if wrong else f"{found}"
        draw.text((left + 4, top + digit + 4), text, fill=(176, 0, 0) if wrong else (0, 96, 0), font=font)
    return sheet


def main() -> None:
    """Run the demo; see the module's text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, default=Path("demo-output/digits"), help="the converted model's folder")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the PNG")
    parser.add_argument("--runs", type=int, default=50, help="inferences behind the steady figure")
    options = parser.parse_args()
    if not (options.model / "model.json").exists():
        source = Path(__file__).resolve().parent / "model.h5"
        command = f"tensorflowjs_converter --input_format=keras {source} {options.model}"
        parser.error(f"there is no model in {options.model}; make it with\n{command}")

    _, _, pixels, truth = digits()
    images = pixels.astype(np.float32)
    model = tfgl.load_layers_model(options.model)
    # All at once: `predict` would take 32 at a time.
    probabilities = np.asarray(model.predict_on_batch({"image": images}))
    read = probabilities.argmax(axis=1)

    print(f"{len(images)} handwritten digits that the network was not trained on; the first {SHOWN}:\n")
    print("   truth  " + " ".join(str(label) for label in truth[:SHOWN]))
    print("    read  " + " ".join(str(label) for label in read[:SHOWN]))
    print("          " + " ".join(" " if a == b else "^" for a, b in zip(truth, read[:SHOWN], strict=False)))
    correct = int((read == truth).sum())
    print(f"accuracy  {correct} of {len(truth)} right: {100 * correct / len(truth):.1f} %\n")

    options.output.mkdir(parents=True, exist_ok=True)
    sheet = options.output / "digits.png"
    contact_sheet(images, truth, read).save(sheet)
    print(f"contact sheet: {sheet}\n")

    rich.print(tfgl.profile.warmup_table(model, {"image": images}, runs=options.runs))


if __name__ == "__main__":
    main()
