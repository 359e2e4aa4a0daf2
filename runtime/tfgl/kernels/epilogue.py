"""What follows a convolution or a matrix product in the same draw: bias and activation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np

from tfgl_shaders.assembly import ParameterValue

from ..dtypes import NUMPY, DType
from ..engine import Engine
from ..errors import InvalidArgumentError
from ..registry import run_one
from ..tensor import Shape, Tensor
from .packing import in_every_lane


@dataclass(frozen=True, slots=True)
class _Piecewise:
    """min(t < 0 ? slope t : t, cap) factor, with t = v + shift, and v times that with ``gate`` 1."""

    slope: float = 1.0
    cap: float = math.inf
    shift: float = 0.0
    factor: float = 1.0
    gate: int = 0

    @property
    def parameters(self) -> dict[str, ParameterValue]:
        """What the shader's ``activation`` include reads."""
        return {f"activation_{each.name}": getattr(self, each.name) for each in fields(self)}


_PIECEWISE: Mapping[str, _Piecewise] = {
    "linear": _Piecewise(),
    "relu": _Piecewise(slope=0.0),
    "relu6": _Piecewise(slope=0.0, cap=6.0),
    "leakyrelu": _Piecewise(slope=0.2),
    "prelu": _Piecewise(),
    "hardsigmoid": _Piecewise(slope=0.0, cap=6.0, shift=3.0, factor=1 / 6),
    "hardswish": _Piecewise(slope=0.0, cap=6.0, shift=3.0, factor=1 / 6, gate=1),
}
_HARD = ("hardsigmoid", "hardswish")
# Activations that a function of their own computes: the function, its file, the kernel of that name.
_FUNCTIONS: Mapping[str, tuple[str, str, str]] = {
    "elu": ("elu_exact", "math/elu", "Elu"),
    "selu": ("selu_exact", "math/elu", "Selu"),
    "sigmoid": ("sigmoid_exact", "math/sigmoid", "Sigmoid"),
    "softplus": ("softplus_exact", "math/softplus", "Softplus"),
    "tanh": ("tanh_exact", "math/hyperbolic", "Tanh"),
    "swish": ("swish_exact", "math/swish", "_Swish"),
    "gelu": ("gelu_exact", "math/gelu", "_Gelu"),
    "gelutanh": ("gelu_tanh", "math/gelu_tanh", "_GeluTanh"),
}
_KERNELS: Mapping[str, str] = {
    "relu": "Relu",
    "relu6": "Relu6",
    "leakyrelu": "LeakyRelu",
    "prelu": "Prelu",
    "hardswish": "_HardSwish",
    "hardsigmoid": "_HardSigmoid",
}


@dataclass(slots=True)
class Epilogue:
    """Inputs, parameters and defines that the shader's ``activation`` include needs, and what is left to do."""

    inputs: dict[str, Tensor]
    parameters: dict[str, ParameterValue]
    defines: dict[str, object]
    bias_after: Tensor | None = None
    activation_after: str = ""
    prelu_weights: Tensor | None = None
    leakyrelu_alpha: float = field(default=0.2)

    def finish(self, result: Tensor) -> Tensor:
        """``result`` after what the draw could not do: bias or slopes of another shape than a vector."""
        if self.bias_after is not None:
            result = run_one("Add", {"a": result, "b": self.bias_after})
        if self.activation_after == "leakyrelu":
            return run_one("LeakyRelu", {"x": result}, {"alpha": self.leakyrelu_alpha})
        if self.activation_after in _HARD:
            return run_one(_KERNELS[self.activation_after], {"x": result}, {"factor": self.leakyrelu_alpha})
        if self.activation_after == "prelu":
            assert self.prelu_weights is not None
            return run_one("Prelu", {"x": result, "alpha": self.prelu_weights})
        if self.activation_after in _FUNCTIONS:
            return run_one(_FUNCTIONS[self.activation_after][2], {"x": result})
        if self.activation_after:
            return run_one(_KERNELS[self.activation_after], {"x": result})
        return result


def epilogue(
    owner: Tensor,
    channels: int,
    bias: Tensor | None = None,
    activation: str | None = None,
    leakyrelu_alpha: float | None = None,
    prelu_weights: Tensor | None = None,
    *,
    channel_axis: int = -1,
) -> Epilogue:
    """The epilogue for a result with ``channels`` channels and ``owner``'s dtype.

    ``leakyrelu_alpha`` is leakyrelu's slope, or the factor of hardswish and hardsigmoid, a sixth by default.
    ``channel_axis`` -3: bias and slopes of more than one axis are given for
    channels first. Raises InvalidArgumentError for an unknown activation, for
    prelu without weights, and for activations that int32 does not have.
    """
    name = activation or "linear"
    if name not in _PIECEWISE and name not in _FUNCTIONS:
        known = ", ".join([*_PIECEWISE, *_FUNCTIONS])
        raise InvalidArgumentError(f"Activation {name} has not been implemented; those there are: {known}")
    if name == "prelu" and prelu_weights is None:
        raise InvalidArgumentError("activation 'prelu' needs the input preluActivationWeights")
    if owner.dtype != "float32" and name not in ("linear", "relu", "relu6"):
        raise InvalidArgumentError(f"activation {name!r} takes float32, got {owner.dtype}")
    engine = owner.engine
    formula = _PIECEWISE.get(name, _PIECEWISE["linear"])
    if name == "leakyrelu" and leakyrelu_alpha is not None:
        formula = replace(formula, slope=float(leakyrelu_alpha))
    if name in _HARD and leakyrelu_alpha is not None:
        formula = replace(formula, factor=float(leakyrelu_alpha))
    constant = formula.factor if name in _HARD else formula.slope
    result = Epilogue({}, {}, {}, leakyrelu_alpha=constant)
    if bias is not None and bias.dtype != owner.dtype:
        raise InvalidArgumentError(f"bias is {bias.dtype}, the other inputs are {owner.dtype}")
    if bias is None or not _is_vector(bias.shape, channels, channel_axis):
        result.bias_after = bias
        result.inputs["bias"] = _zeros(engine, owner.dtype)
        step = 0
    else:
        step = int(bias.size > 1)
        result.inputs["bias"] = bias if step else in_every_lane(bias)
    after = result.bias_after is not None
    if name == "prelu":
        assert prelu_weights is not None
        result.prelu_weights = prelu_weights
        after = after or not _is_vector(prelu_weights.shape, channels, channel_axis)
        if not after:
            result.inputs["alpha"] = prelu_weights if prelu_weights.size > 1 else in_every_lane(prelu_weights)
            result.defines["PRELU"] = 1
            result.parameters["alpha_step"] = int(prelu_weights.size > 1)
    if after:
        result.activation_after = "" if name == "linear" else name
        formula = _PIECEWISE["linear"]
    elif name in _FUNCTIONS:
        function, include, _ = _FUNCTIONS[name]
        result.defines |= {"ACTIVATION": function, "INCLUDES": include}
    result.parameters |= {"bias_step": step, **formula.parameters}
    return result


def _is_vector(shape: Shape, channels: int, axis: int) -> bool:
    """Whether ``shape`` is one value, or one for each channel along ``axis`` of the result."""
    size = math.prod(shape)
    if size == 1:
        return True
    return size == channels and (shape == (size,) or (len(shape) >= -axis and shape[axis] == size))


def _zeros(engine: Engine, dtype: DType) -> Tensor:
    # From the host: a fill would be a program more.
    return engine.shared(
        ("zeros", dtype), lambda: Tensor(engine, (4,), dtype, host=np.zeros(4, NUMPY[dtype]))
    )
