"""The formats that convert into each other, and the options of a conversion; loads nothing that only one needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfgl.io import QuantizedDType

# What each format of a source converts to; the first is what --output_format is when it is not given.
TARGETS: dict[str, tuple[str, ...]] = {
    "keras": ("tfjs_layers_model", "tfjs_graph_model"),
    "keras_saved_model": ("tfjs_layers_model", "tfjs_graph_model"),
    "keras_keras": ("tfjs_layers_model", "tfjs_graph_model"),
    "tf_saved_model": ("tfjs_graph_model",),
    "tf_hub": ("tfjs_graph_model",),
    "tf_frozen_model": ("tfjs_graph_model",),
    "tflite": ("tfjs_graph_model",),
    "tfjs_layers_model": ("keras", "keras_keras", "keras_saved_model", "tfjs_layers_model", "tfjs_graph_model"),
    "tfjs_graph_model": ("tfjs_graph_model",),
}
INPUT_FORMATS: tuple[str, ...] = tuple(TARGETS)
OUTPUT_FORMATS: tuple[str, ...] = tuple(sorted({target for targets in TARGETS.values() for target in targets}))
# tfgl.io's own default; naming it here keeps NumPy out of the start of the command.
SHARD_BYTES = 4 << 20
_LISTS = (
    "saved_model_tags", "output_node_names", "passes", "custom_objects", "quantize_float16", "quantize_uint8",
    "quantize_uint16",
)  # fmt: skip


def listed(text: str) -> list[str]:
    """The parts of a text between commas, without empty ones.

    >>> listed("a, b,")
    ['a', 'b']
    """
    return [part.strip() for part in text.split(",") if part.strip()]


@dataclass(frozen=True)
class Options:
    """How to convert; the fields are the flags of tensorflowjs_converter. A list may be one text with commas.

    ``quantize_*`` are True for all weights, or wildcards over weight names. ``metadata`` maps keys to paths of JSON
    files, or to values that are no text.
    ``custom_objects`` are layer classes to trust, each itself or as ``module:Class``, whose module is imported.
    ``passes`` limits the rewrites to those named (the necessary ones always run). ``record`` writes conversion.json.

    >>> Options(quantize_uint8=["*/kernel"]).quantization
    {'uint8': ['*/kernel']}
    """

    input_format: str = "tf_saved_model"
    output_format: str | None = None
    signature_name: str | None = None
    saved_model_tags: Sequence[str] | None = None
    quantize_float16: bool | str | Sequence[str] = False
    quantize_uint8: bool | str | Sequence[str] = False
    quantize_uint16: bool | str | Sequence[str] = False
    split_weights_by_layer: bool = False
    skip_op_check: bool = False
    strip_debug_ops: bool = True
    use_structured_outputs_names: bool = False
    control_flow_v2: bool = False
    weight_shard_size_bytes: int = SHARD_BYTES
    output_node_names: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    custom_objects: Sequence[Any] = ()
    passes: Collection[str] | None = None
    record: bool = True

    def __post_init__(self) -> None:
        """Split texts into lists."""
        for name in _LISTS:
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, listed(value))

    @property
    def quantization(self) -> dict[QuantizedDType, bool | Sequence[str]]:
        """The patterns by stored dtype, those that were asked for."""
        asked: dict[QuantizedDType, bool | str | Sequence[str]] = {
            "float16": self.quantize_float16, "uint8": self.quantize_uint8, "uint16": self.quantize_uint16,
        }  # fmt: skip
        return {dtype: wanted for dtype, wanted in asked.items() if wanted and not isinstance(wanted, str)}


def output_format_of(input_format: str, output_format: str | None) -> str:
    """The output format, inferred where none is asked for. Raises InvalidArgumentError for unknown ones and pairs.

    >>> output_format_of("tf_saved_model", None)
    'tfjs_graph_model'
    """
    from tfgl.errors import InvalidArgumentError

    if input_format not in TARGETS:
        raise InvalidArgumentError(f"unknown input_format {input_format!r}; expected one of {', '.join(INPUT_FORMATS)}")
    possible = TARGETS[input_format]
    wanted = output_format or possible[0]
    if wanted not in OUTPUT_FORMATS:
        raise InvalidArgumentError(f"unknown output_format {wanted!r}; expected one of {', '.join(OUTPUT_FORMATS)}")
    if wanted not in possible:
        raise InvalidArgumentError(
            f"Unsupported input_format - output_format pair: {input_format} - {wanted}; {input_format} converts to "
            f"{' or '.join(possible)}"
        )
    return wanted


def check_options(options: Options, target: str) -> None:
    """Raise InvalidArgumentError for options that do not fit the formats.

    >>> check_options(Options(signature_name="s", input_format="keras"), "tfjs_layers_model")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: signature_name serves tf_saved_model, tf_hub, tflite, not input_format keras
    """
    from tfgl.errors import InvalidArgumentError

    source = options.input_format
    signed = ("tf_saved_model", "tf_hub", "tflite")
    if options.signature_name and source not in signed:
        raise InvalidArgumentError(f"signature_name serves {', '.join(signed)}, not input_format {source}")
    if options.saved_model_tags is not None and source not in ("tf_saved_model", "tf_hub", "keras_saved_model"):
        raise InvalidArgumentError(f"saved_model_tags serves SavedModels and hub modules, not input_format {source}")
    if options.control_flow_v2 and target != "tfjs_graph_model":
        raise InvalidArgumentError(f"control_flow_v2 serves output_format tfjs_graph_model, not {target}")
    size = options.weight_shard_size_bytes
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise InvalidArgumentError(f"weight_shard_size_bytes must be a positive number of bytes, got {size!r}")
    if not target.startswith("tfjs"):
        for name in ("weight_shard_size_bytes", "quantization", "metadata"):
            if getattr(options, name) != getattr(Options(), name):
                raise InvalidArgumentError(f"{name} serves TensorFlow.js models, not output_format {target}")
    everything = [f"quantize_{dtype}" for dtype, wanted in options.quantization.items() if wanted is True]
    if len(everything) > 1:
        raise InvalidArgumentError(f"{' and '.join(everything)} are both asked for all weights; choose one")
    if options.passes is not None and target != "tfjs_graph_model":
        raise InvalidArgumentError(f"passes serves output_format tfjs_graph_model, not {target}")
    if options.split_weights_by_layer and target != "tfjs_layers_model":
        raise InvalidArgumentError(f"split_weights_by_layer serves output_format tfjs_layers_model, not {target}")
    if source == "tf_frozen_model" and not options.output_node_names:
        raise InvalidArgumentError("a tf_frozen_model needs output_node_names, the nodes that it is to return")
    if options.custom_objects and not ("keras" in source or source == "tfjs_layers_model"):
        raise InvalidArgumentError(f"custom_objects serves Keras models and layers models, not input_format {source}")
