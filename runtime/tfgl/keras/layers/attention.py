"""Attention layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import ModelFormatError
from ...ir.graph import DataType
from ..builder import Tensor
from ..call import Call
from ..registry import Weight, layer
from .activations import masked_logits


def causal_mask(c: Call, query: int, value: int) -> Tensor:
    """(1, query, value): a step sees itself and those before it."""
    c.bounded(query * value, "the causal mask")
    return c.b.constant(np.tril(np.ones((1, query, value), bool)))


def _earlier(c: Call, scores: Tensor) -> Tensor:
    """The causal mask of scores (..., query, value), whose sizes may be open."""
    b = c.b
    if min(scores.shape[-2:]) >= 0:
        return causal_mask(c, *scores.shape[-2:])
    rows, columns = (
        b.add("Range", [b.integers(0), size if isinstance(size, Tensor) else b.integers(size), b.integers(1)],
              (-1,), Tidx=DataType("int32"))
        for size in b.sizes(scores)[-2:]
    )  # fmt: skip
    return b.expand(b.binary("GreaterEqual", b.expand(rows, 1), columns), 0)


def _query_value_key(c: Call) -> tuple[Tensor, Tensor, Tensor]:
    tensors = list(c.inputs)
    for name in ("value", "key"):
        if isinstance(c.kwargs.get(name), Tensor):
            tensors.append(c.kwargs[name])
    if len(tensors) < 2:
        raise ModelFormatError(f"{c} takes query and value, got {len(tensors)} input")
    query, value = tensors[:2]
    return query, value, tensors[2] if len(tensors) > 2 else value


def _attended(c: Call, scores: Tensor, query: Tensor, value: Tensor) -> list[Tensor]:
    """Softmax of scores (batch, query, value) under the masks, times the values."""
    b = c.b
    given = c.kwargs.get("mask")
    masks = (
        [m if isinstance(m, Tensor) else None for m in given] if isinstance(given, list) else [query.mask, value.mask]
    )
    hidden: Tensor | None = None
    if masks[1] is not None:
        hidden = b.expand(b.cast(masks[1], "bool"), -2)
    if bool(c.kwargs.get("use_causal_mask", False)) or c.flag("causal"):
        triangle = _earlier(c, scores)
        hidden = triangle if hidden is None else b.binary("LogicalAnd", hidden, triangle)
    if hidden is not None:
        away = b.cast(b.logical_not(hidden), scores.dtype)
        scores = b.sub(scores, b.mul(away, 1e9))
    weights = b.softmax(scores)
    result = b.matmul(weights, value)
    if masks[0] is not None:
        result = b.mul(result, b.cast(b.expand(masks[0], -1), result.dtype))
    outputs = [result.masked(masks[0])]
    return [*outputs, weights] if c.kwargs.get("return_attention_scores") else outputs


def _attention_weights(config: Mapping[str, Any]) -> Sequence[Weight]:
    concat = [Weight("concat_score_weight")] if config.get("score_mode") == "concat" else []
    return [Weight("scale", when="use_scale", default=False), *concat]


@layer("Attention", weights=_attention_weights, masking="own", takes=None)
def attention(c: Call) -> list[Tensor]:
    """Luong attention: scores are dot products, or sums of tanh with score_mode concat."""
    b = c.b
    query, value, key = _query_value_key(c)
    if c.get("score_mode", "dot") == "concat":
        both = b.add_(b.expand(query, -2), b.expand(key, -3))
        if c.has("scale"):
            both = b.mul(both, c.weight("scale", ()))
        scores = b.mul(b.reduce("Sum", b.unary("Tanh", both), [-1]), c.weight("concat_score_weight", ()))
    else:
        scores = b.matmul(query, key, transpose_b=True)
        if c.has("scale"):
            scores = b.mul(scores, c.weight("scale", ()))
    return _attended(c, scores, query, value)


@layer("AdditiveAttention", weights=(Weight("scale", when="use_scale"),), masking="own", takes=None)
def additive_attention(c: Call) -> list[Tensor]:
    """Bahdanau attention: scores are sums of scale tanh(query + key)."""
    b = c.b
    query, value, key = _query_value_key(c)
    raised = b.unary("Tanh", b.add_(b.expand(query, -2), b.expand(key, -3)))
    if c.has("scale"):
        raised = b.mul(raised, c.weight("scale", (query.shape[-1],)))
    return _attended(c, b.reduce("Sum", raised, [-1]), query, value)


def _multi_head_weights(config: Mapping[str, Any]) -> Sequence[Weight]:
    listed = []
    for part in ("query", "key", "value", *(["gate"] if config.get("use_gate") else []), "attention_output"):
        listed += [Weight(f"{part}/kernel"), Weight(f"{part}/bias", when="use_bias")]
    return listed


@layer("MultiHeadAttention", weights=_multi_head_weights, masking="own", takes=None)
def multi_head_attention(c: Call) -> list[Tensor]:
    """Attention over the axis between batch and features; kernels (features, heads, size), (heads, size, features)."""
    return _multi_head(c, "key_dim", 1)


@layer("GroupQueryAttention", "GroupedQueryAttention", weights=_multi_head_weights, masking="own", takes=None)
def grouped_query_attention(c: Call) -> list[Tensor]:
    """MultiHeadAttention in which several heads of the query share one of key and value."""
    heads, shared = c.integer("num_query_heads"), c.integer("num_key_value_heads")
    if shared < 1 or heads % shared:
        raise c.wrong("num_key_value_heads", f"a divisor of {heads}", shared)
    return _multi_head(c, "head_dim", heads // shared)


def _multi_head(c: Call, size_key: str, repeats: int) -> list[Tensor]:
    b = c.b
    query, value, key = _query_value_key(c)
    axes = c.get("attention_axes")
    if (axes is not None and list(np.atleast_1d(axes)) not in ([1], [-2])) or query.rank != 3 or value.rank != 3:
        raise c.unsupported(
            f"attention axes {axes} of shape {list(query.shape)} are not supported", "(batch, steps, features) is"
        )
    if c.flag("use_gate") or c.get("sliding_window") is not None:
        raise c.unsupported("use_gate and sliding_window are not supported", "leave them off")
    q = _heads(c, query, "query", 1)
    k, v = _heads(c, key, "key", repeats), _heads(c, value, "value", repeats)
    q = b.mul(q, 1 / math.sqrt(c.integer(size_key)))
    scores = b.matmul(q, k, transpose_b=True)  # (batch, heads, query, value)
    mask = _multi_head_mask(c, query, value, key, scores)
    if mask is not None:
        scores = masked_logits(c, scores, mask)
    weights = b.softmax(scores)
    mixed = b.transpose(b.matmul(weights, v), [0, 2, 1, 3])
    kernel = c.array("attention_output/kernel")
    inner = kernel.shape[0] * kernel.shape[1]
    out_shape = kernel.shape[2:]
    flat = c.constant("attention_output/kernel", kernel.reshape(inner, -1))
    result = b.matmul(b.reshape(mixed, [-1, inner]), flat)
    if c.has("attention_output/bias"):
        bias = c.array("attention_output/bias")
        result = b.bias_add(result, c.constant("attention_output/bias", bias.reshape(-1)))
    result = b.reshape(result, [*b.sizes(query)[:-1], *out_shape]).masked(query.mask)
    return [result, weights] if c.kwargs.get("return_attention_scores") else [result]


def _heads(c: Call, x: Tensor, part: str, repeats: int) -> Tensor:
    """x projected: (batch, heads, steps, size), each head ``repeats`` times."""
    b = c.b
    kernel = np.repeat(c.array(f"{part}/kernel"), repeats, 1)
    if kernel.ndim != 3 or kernel.shape[0] != x.shape[-1]:
        raise ModelFormatError(f"{c}: {part} kernel has shape {list(kernel.shape)}, the input {list(x.shape)}")
    flat = c.constant(f"{part}/kernel", kernel.reshape(kernel.shape[0], -1))
    result = b.matmul(b.reshape(x, [-1, kernel.shape[0]]), flat)
    if c.has(f"{part}/bias"):
        bias = np.repeat(c.array(f"{part}/bias"), repeats, 0)
        result = b.bias_add(result, c.constant(f"{part}/bias", bias.reshape(-1)))
    apart = b.reshape(result, [*b.sizes(x)[:-1], kernel.shape[1], kernel.shape[2]])
    return b.transpose(apart, [0, 2, 1, 3])


def _multi_head_mask(c: Call, query: Tensor, value: Tensor, key: Tensor, scores: Tensor) -> Tensor | None:
    """What may be seen, (batch or 1, 1, query or 1, value): all masks that there are, joined by and."""
    b = c.b
    masks: list[Tensor] = []
    if query.mask is not None:
        masks.append(b.expand(query.mask, -1))
    if value.mask is not None:
        masks.append(b.expand(value.mask, -2))
    if key.mask is not None and key.edge != value.edge:
        masks.append(b.expand(key.mask, -2))
    if c.kwargs.get("use_causal_mask"):
        masks.append(_earlier(c, scores))
    given = c.kwargs.get("attention_mask")
    if isinstance(given, Tensor):
        masks.append(b.cast(given, "bool"))
    joined: Tensor | None = None
    for mask in masks:
        joined = mask if joined is None else b.binary("LogicalAnd", joined, mask)
    if joined is not None and joined.rank == 3:
        joined = b.expand(joined, 1)
    return joined
