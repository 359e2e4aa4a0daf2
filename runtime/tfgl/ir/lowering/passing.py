"""Nodes that compute nothing: inputs, constants, identities, debugging ops."""

from __future__ import annotations

from ...errors import InvalidArgumentError, ModelFormatError
from .call import Call, Value
from .registry import lower


@lower("Placeholder", inputs=0)
def placeholder(call: Call) -> Value:
    """Evaluators put fed values in place of these nodes; one that is reached was not fed."""
    raise InvalidArgumentError("this input got no value; feed it")


@lower("Const", inputs=0)
def const(call: Call) -> Value:
    """Evaluators put the graph's constants in place of these nodes."""
    raise ModelFormatError(f"{call.node} has no value")


@lower(
    "Identity",
    "StopGradient",
    "PreventGradient",
    "Snapshot",
    "CheckNumerics",
    "CheckNumericsV2",
    "DebugGradientIdentity",
    "DebugIdentityV2",
    "PlaceholderWithDefault",
    inputs=1,
    opaque=None,
)
def identity(call: Call) -> Value:
    """The input itself."""
    return call.inputs[0]


@lower("Print", inputs=(1, None))
def print_op(call: Call) -> Value:
    """The first input itself; nothing is printed, since stdout belongs to whoever runs the model."""
    return call.inputs[0]


@lower("IdentityN", inputs=(1, None), opaque=None)
def identity_n(call: Call) -> list[Value]:
    """The inputs themselves."""
    return list(call.inputs)


@lower("NoOp", inputs=0)
@lower("Assert", "PrintV2", inputs=(1, None), opaque=None)
def nothing(call: Call) -> list[Value]:
    """No output."""
    return []
