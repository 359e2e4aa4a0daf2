"""How programs and layouts are made on a device: by what it was measured to prefer, else by cheap facts of its driver.

Nothing is measured unasked. A measurement compiles programs of its own, and compiling is what a first
visit waits for; `tfgl.tuning` measures when it is told to, and what it finds is kept beside the programs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tfgl_shaders.assembly import Flavour

from .cache import DeviceFiles

if TYPE_CHECKING:
    from ..flags import Flags
    from .device import DeviceInfo

Origin = Literal["driver", "measured", "flag"]

LARGEST_WORKGROUP = 1024
"""Texels of a workgroup that every device with OpenGL 4.3 takes."""
LAYERS = (8, 4, 2, 1)
WIDTHS_LOG2 = (8, 9, 10, 11, 12)
_IMAGES = 8


@dataclass(frozen=True, slots=True)
class Choices:
    """What is up to the device.

    ``accessor``: how shaders read textures. ``layers``: rows of a tiled tensor that one run of a shader computes.
    ``width_log2``: texels in a row of the flat layout, as a power of two. ``astride``: whether a small tiled
    tensor is placed over the borders of the squares that a software driver shares out among its threads.
    ``workgroup``: columns and rows of a workgroup of a compute shader.
    """

    accessor: Flavour
    layers: int
    width_log2: int
    astride: bool
    workgroup: tuple[int, int]


def by_facts(info: DeviceInfo) -> Choices:
    """The choices for a device that nobody measured."""
    layers = min(LAYERS[0], info.max_draw_buffers)
    return Choices(
        accessor="image" if images_work(info) else "sampler",
        layers=1 << (layers.bit_length() - 1),
        width_log2=10,
        astride=info.software,
        # llvmpipe computes 8 texels of a row at once.
        workgroup=(8, 1) if info.software else (8, 8),
    )


def images_work(info: DeviceInfo) -> bool:
    """Whether shaders can read as many images as programs have inputs."""
    return info.version_code >= 430 and info.fragment_images >= _IMAGES


def fits(choices: Choices, info: DeviceInfo) -> bool:
    """Whether the device can do what ``choices`` say."""
    return (
        (choices.accessor == "sampler" or images_work(info))
        and choices.layers <= info.max_draw_buffers
        and 1 << choices.width_log2 <= info.max_texture_size
    )


class TunedChoices:
    """What was measured, by device; a file that is damaged, or of another form, counts as absent.

    >>> import tempfile
    >>> kept = TunedChoices(Path(tempfile.mkdtemp()))
    >>> kept.load("a device") is None
    True
    >>> kept.store("a device", Choices("sampler", 4, 11, False, (8, 8)))
    >>> kept.load("a device").layers
    4
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._files = DeviceFiles("", directory)

    def load(self, device: str) -> Choices | None:
        """The choices kept for ``device``, a text that tells it from others; None where there are none."""
        data = self._files.load(device)
        if data is None:
            return None
        try:
            return _from_json(json.loads(data))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def store(self, device: str, choices: Choices) -> None:
        """Keep ``choices`` for ``device``, in place of earlier ones."""
        self._files.store(device, json.dumps(asdict(choices)).encode())


def _from_json(row: Mapping[str, Any]) -> Choices:
    columns, rows = row["workgroup"]
    choices = Choices(row["accessor"], row["layers"], row["width_log2"], row["astride"], (columns, rows))
    numbers = (choices.layers, choices.width_log2, columns, rows)
    valid = (
        set(row) == set(asdict(choices))
        and choices.accessor in ("image", "sampler")
        and all(type(number) is int for number in numbers)
        and choices.layers in LAYERS
        and choices.width_log2 in WIDTHS_LOG2
        and type(choices.astride) is bool
        and is_workgroup(choices.workgroup)
    )
    if not valid:
        raise ValueError("no choices")
    return choices


def is_workgroup(group: object) -> bool:
    """Whether ``group`` is (columns, rows) that every device with compute shaders takes.

    >>> is_workgroup((8, 8)), is_workgroup((64, 64)), is_workgroup("8x8")
    (True, False, False)
    """
    return (
        isinstance(group, tuple)
        and len(group) == 2
        and all(type(extent) is int and extent > 0 for extent in group)
        and group[0] * group[1] <= LARGEST_WORKGROUP
    )


def decide(info: DeviceInfo, flags: Flags, directory: Path | None = None) -> tuple[Choices, dict[str, Origin]]:
    """The choices for a device, and where each comes from: flags, what was measured, facts of the driver.

    With the program cache off nothing that was measured is read.
    """
    choices = by_facts(info)
    origin: Origin = "driver"
    if flags.program_cache:
        tuned = TunedChoices(directory).load(tuning_key(info))
        if tuned is not None and fits(tuned, info):
            choices, origin = tuned, "measured"
    origins = dict.fromkeys(asdict(choices), origin)
    if flags.accessor != "auto":
        choices, origins["accessor"] = replace(choices, accessor=flags.accessor), "flag"
    if flags.workgroup is not None:
        choices, origins["workgroup"] = replace(choices, workgroup=flags.workgroup), "flag"
    return choices, origins


def tuning_key(info: DeviceInfo) -> str:
    """What measured choices depend on: the driver, and the version of OpenGL that is used of it."""
    return f"{info.identity}|{info.version_code}"
