"""Layers around layers: TimeDistributed, Bidirectional."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ModelFormatError
from ..builder import Tensor
from ..call import Call
from ..registry import Weight, layer


def _inner(config: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    inner = config.get("layer")
    return {_name(inner, "layer"): inner} if isinstance(inner, Mapping) else {}


def _name(entry: Mapping[str, Any], default: str) -> str:
    config = entry.get("config")
    return str(config.get("name", default)) if isinstance(config, Mapping) else default


@layer("TimeDistributed", children=_inner, masking="own")
def time_distributed(c: Call) -> list[Tensor]:
    """The layer on every step of (batch, time, ...): steps become samples of one batch."""
    if not c.node.children:
        raise c.wrong("layer", "a layer", c.get("layer"))
    (inner,) = c.node.children.values()
    b, x = c.b, c.x
    if x.rank < 3:
        raise ModelFormatError(f"{c} takes an input of rank 3 or more, got shape {list(x.shape)}")
    batch, time, *rest = b.sizes(x)
    known = x.shape[0] * x.shape[1] if min(x.shape[:2]) >= 0 else -1
    samples = b.reshape(x, [known, *rest])
    if x.mask is not None and x.mask.rank > 2:
        sizes = b.sizes(x.mask)
        samples = samples.masked(b.reshape(x.mask, [-1, *sizes[2:]]))
    results = []
    for y in c.call(inner, [samples]):
        sizes = b.sizes(y)[1:]
        mask = x.mask if x.mask is not None and x.mask.rank == 2 else None
        results.append(b.reshape(y, [batch, time, *sizes]).masked(mask))
    return results


@layer("SpectralNormalization", children=_inner, weights=(Weight("vector_u", trainable=False),), masking="own")
def spectral_normalization(c: Call) -> list[Tensor]:
    """The layer as it is: its kernel was divided by its largest singular value while it was trained."""
    if not c.node.children:
        raise c.wrong("layer", "a layer", c.get("layer"))
    (inner,) = c.node.children.values()
    return c.call(inner, c.inputs, c.kwargs)


def _both(config: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    forward, backward = config.get("layer"), config.get("backward_layer")
    if not isinstance(forward, Mapping) or not isinstance(forward.get("config"), Mapping):
        return {}
    base = _name(forward, "layer")
    config_of = dict(forward["config"])
    first = base if base.startswith("forward_") else f"forward_{base}"
    both = {first: {**forward, "config": {**config_of, "name": first}}}
    if isinstance(backward, Mapping) and isinstance(backward.get("config"), Mapping):
        second, entry = _name(backward, "backward"), dict(backward)
    else:
        second = f"backward_{base.removeprefix('forward_')}"
        turned = not bool(config_of.get("go_backwards", False))
        entry = {**forward, "config": {**config_of, "name": second, "go_backwards": turned}}
    # A sequence that is given back has zeros where the mask hides steps, so that both directions can be joined.
    for given in (both[first], entry):
        given_config = given["config"]
        given["config"] = {
            **given_config, "zero_output_for_mask": bool(given_config.get("return_sequences", False))
        }  # fmt: skip
    both[second] = entry
    return both


@layer("Bidirectional", children=_both, masking="own")
def bidirectional(c: Call) -> list[Tensor]:
    """A recurrent layer forwards and one backwards, joined as ``merge_mode`` says."""
    if len(c.node.children) != 2:
        raise c.wrong("layer", "a recurrent layer", c.get("layer"))
    b = c.b
    forward, backward = c.node.children.values()
    states = list(c.inputs[1:])
    stated = c.kwargs.get("initial_state")
    if stated is not None and not states:
        states = list(stated) if isinstance(stated, (list, tuple)) else [stated]
    half = len(states) // 2
    kwargs = {"mask": c.kwargs["mask"]} if isinstance(c.kwargs.get("mask"), Tensor) else {}
    ahead = c.call(forward, [c.x, *states[:half]], kwargs)
    back = c.call(backward, [c.x, *states[half:]], kwargs)
    first, second = ahead[0], back[0]
    sequences = bool(forward.config.get("return_sequences", False))
    if sequences:
        second = b.reverse(second, 1)
    mode = c.config.get("merge_mode", "concat")
    if mode is None:
        merged = [first, second]
    elif mode == "concat":
        merged = [b.concat([first, second], -1)]
    elif mode == "sum":
        merged = [b.add_(first, second)]
    elif mode == "mul":
        merged = [b.mul(first, second)]
    elif mode == "ave":
        merged = [b.mul(b.add_(first, second), 0.5)]
    else:
        raise c.wrong("merge_mode", "concat, sum, mul, ave or null", mode)
    mask = ahead[0].mask if sequences else None
    return [*(part.masked(mask) for part in merged), *ahead[1:], *back[1:]]
