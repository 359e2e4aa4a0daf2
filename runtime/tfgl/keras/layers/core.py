"""Dense, embeddings, masking, and layers that only rearrange."""

from __future__ import annotations

import math

from ...errors import ModelFormatError
from ..builder import Tensor
from ..call import Call
from ..registry import Weight, layer


@layer(
    "InputLayer",
    "Identity",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
    masking="pass",
)
def identity(c: Call) -> Tensor:
    """What does nothing once a model is trained."""
    return c.x


@layer("Dense", weights=(Weight("kernel"), Weight("bias", when="use_bias")), masking="pass")
def dense(c: Call) -> Tensor:
    """activation(x kernel + bias) along the last axis; kernel (in, units)."""
    x = c.x
    if x.rank < 2:
        raise ModelFormatError(f"{c} takes an input of rank 2 or more, got shape {list(x.shape)}")
    kernel = c.weight("kernel", (x.shape[-1], c.size("units")))
    flat = c.b.reshape(x, [-1, kernel.shape[0]]) if x.rank > 2 else x
    result = c.b.matmul(flat, kernel)
    if c.has("bias"):
        result = c.b.bias_add(result, c.weight("bias", (kernel.shape[1],)))
    # A layer as activation may look at more axes than the last.
    plain = isinstance(c.get("activation", "linear"), str)
    if plain:
        result = c.activate(result)
    if x.rank > 2:
        result = c.b.reshape(result, [*c.b.sizes(x)[:-1], kernel.shape[1]])
    return result if plain else c.activate(result)


@layer("EinsumDense", weights=(Weight("kernel"), Weight("bias", when="bias_axes", default=False)), masking="pass")
def einsum_dense(c: Call) -> Tensor:
    """activation(einsum(x, kernel) + bias); an ellipsis stands for the axes of x that the rest leaves."""
    x, kernel = c.x, c.weight("kernel")
    equation = c.text("equation", "") if not isinstance(c.get("equation"), str) else str(c.get("equation"))
    left, _, right = equation.replace(" ", "").partition("->")
    first, _, second = left.partition(",")
    if "..." in first + second + right:
        named = len(first.replace("...", ""))
        free = [label for label in "zyxwvutsrqponmlkjihgfedcba" if label not in equation]
        middle = "".join(free[: x.rank - named])
        first, right = first.replace("...", middle), right.replace("...", middle)
    result = c.b.einsum(f"{first},{second}->{right}", [x, kernel])
    if c.has("bias"):
        # The bias has a size for each of the axes that it names and for those after them.
        bias = c.array("bias")
        axes = str(c.get("bias_axes"))
        sizes = dict(zip(second, kernel.shape, strict=True))
        shape = [sizes[label] if label in axes else 1 for label in right]
        while shape and shape[0] == 1:
            shape.pop(0)
        result = c.b.add_(result, c.constant("bias", bias.reshape(shape)))
    return c.activate(result)


@layer("Embedding", weights=(Weight("embeddings"),), masking="own")
def embedding(c: Call) -> Tensor:
    """Rows of the table by index; with mask_zero, index 0 marks steps that do not count."""
    x = c.x
    table = c.weight("embeddings", (c.size("input_dim"), c.size("output_dim")))
    indices = x if x.dtype == "int32" else c.b.cast(x, "int32")
    result = c.b.gather(table, indices)
    return result.masked(c.b.binary("NotEqual", x, 0) if c.flag("mask_zero") else None)


@layer("Masking", masking="own")
def masking(c: Call) -> Tensor:
    """Steps whose features all equal ``mask_value`` do not count and become 0."""
    some = c.b.reduce("Any", c.b.binary("NotEqual", c.x, c.number("mask_value", 0.0)), [-1], keep=True)
    result = c.b.mul(c.x, c.b.cast(some, c.x.dtype))
    return result.masked(c.b.squeeze(some, -1))


@layer("Activation", masking="pass")
def activation(c: Call) -> Tensor:
    """One of Keras's activation functions."""
    return c.activate(c.x)


@layer("Flatten")
def flatten(c: Call) -> Tensor:
    """(batch, all else); channels-first data is put channels last before."""
    x = c.x if c.x.rank < 3 else c.to_last(c.x)
    if x.rank == 1:
        return c.b.expand(x, 1)
    if -1 in x.shape[1:]:
        return c.b.reshape(x, [c.b.sizes(x)[0], -1])
    return c.b.reshape(x, [x.shape[0], math.prod(x.shape[1:])])


@layer("Reshape")
def reshape(c: Call) -> Tensor:
    """(batch, *target_shape), one size of which may be -1."""
    x = c.x
    target = [-1 if size is None else int(size) for size in c.get("target_shape", [])]
    if target.count(-1) == 1 and -1 not in x.shape[1:]:
        rest = -math.prod(target)
        if not rest or math.prod(x.shape[1:]) % rest:
            raise ModelFormatError(f"{c}: shape {list(x.shape[1:])} cannot become {target}")
        target[target.index(-1)] = math.prod(x.shape[1:]) // rest
    elif -1 not in target and -1 not in x.shape[1:] and math.prod(target) != math.prod(x.shape[1:]):
        raise ModelFormatError(f"{c}: shape {list(x.shape[1:])} cannot become {target}")
    return c.b.reshape(x, [c.b.sizes(x)[0] if -1 in target else x.shape[0], *target])


@layer("Permute")
def permute(c: Call) -> Tensor:
    """The axes after the batch in another order, counted from 1."""
    dims = c.integers("dims")
    if sorted(dims) != list(range(1, c.x.rank)):
        raise c.wrong("dims", f"the numbers 1 to {c.x.rank - 1} in some order", dims)
    return c.b.transpose(c.x, [0, *dims])


@layer("RepeatVector")
def repeat_vector(c: Call) -> Tensor:
    """(batch, n, features)."""
    return c.b.tile(c.b.expand(c.rank(2), 1), [1, c.integer("n"), 1])
