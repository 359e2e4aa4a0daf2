"""The op table: TensorFlow op -> row; rows come from the modules of this package, found by walking it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...errors import InvalidArgumentError, ModelFormatError, TfglError, UnsupportedOpError
from ..graph import Node
from .call import Call, Opaque, Outputs, Value

Handler = Callable[[Call], Outputs]
# How many data inputs an op takes: exactly, or from the first to the second (None: any number).
Arity = int | tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class Row:
    """How one op runs: its handler, the kernels that this may call, and the inputs it reads on the host.

    ``opaque`` are the inputs that may be no tensors, None for all of them; ``dead`` says that the handler takes
    inputs whose branch was not taken; ``internal``, that rewrites make the op and no file may have it.

    >>> row_of("ExpandDims").host
    (1,)
    """

    op: str
    kernels: tuple[str, ...]
    arity: Arity
    handler: Handler
    host: tuple[int, ...] = ()
    opaque: tuple[int, ...] | None = ()
    dead: bool = False
    internal: bool = False


_rows: dict[str, Row] = {}
_walked = False


def lower(
    *ops: str,
    inputs: Arity,
    kernels: tuple[str, ...] = (),
    host: tuple[int, ...] = (),
    opaque: tuple[int, ...] | None = (),
    dead: bool = False,
    internal: bool = False,
) -> Callable[[Handler], Handler]:
    """Registers the decorated function as the handler of ``ops``; a second row for an op raises.

    ``inputs`` counts the data inputs, ``kernels`` names all kernels that the handler may call, ``host`` the
    inputs whose values it reads (negative positions count from the end), ``opaque``, ``dead`` and ``internal`` are
    the row's.
    """

    def register(handler: Handler) -> Handler:
        for op in ops:
            if op in _rows:
                raise RuntimeError(f"op {op!r} has two rows in the op table")
            _rows[op] = Row(op, kernels, inputs, handler, host, opaque, dead, internal)
        return handler

    return register


def one_to_one(table: Mapping[str, str], names: tuple[str, ...]) -> None:
    """Rows for ops that are one kernel without attributes; ``names`` are the kernel's inputs in order."""
    for op, kernel in table.items():

        def handler(call: Call, kernel: str = kernel) -> Value:
            return call.one(kernel, dict(zip(names, call.inputs, strict=True)))

        lower(op, inputs=len(names), kernels=(kernel,))(handler)


def rows() -> dict[str, Row]:
    """The table by op, without what is internal.

    >>> rows()["Relu"].kernels
    ('Relu',)
    """
    return {op: row for op, row in _all_rows().items() if not row.internal}


def _all_rows() -> dict[str, Row]:
    global _walked
    if not _walked:
        package = importlib.import_module(__package__ or "")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
        _walked = True
    return _rows


def row_of(op: str) -> Row:
    """The row of ``op``; UnsupportedOpError when there is none.

    >>> row_of("MatMul").kernels
    ('BatchMatMul',)
    """
    try:
        return _all_rows()[op]
    except KeyError:
        raise UnsupportedOpError(f"op {op!r} is not supported; `tfgl ops` lists those that are") from None


def supported_ops() -> set[str]:
    """The names of all ops that have a row.

    >>> {"Conv2D", "MatMul"} <= supported_ops()
    True
    """
    return set(rows())


def kernels_of(op: str) -> tuple[str, ...]:
    """The kernels that ``op`` may call; empty for what needs none. UnsupportedOpError for an unknown op.

    >>> kernels_of("FloorDiv"), kernels_of("Shape")
    (('FloorDiv', 'RealDiv', 'Floor'), ())
    """
    return row_of(op).kernels


def check_node(node: Node) -> None:
    """Raise UnsupportedOpError for an op without a row, ModelFormatError for a wrong number of inputs.

    >>> from tfgl.ir.graph import Node
    >>> check_node(Node("y", "Relu"))
    Traceback (most recent call last):
    tfgl.errors.ModelFormatError: node 'y' (op Relu) has 0 inputs; its op takes 1
    """
    _check_arity(node, row_of(node.op), len(node.inputs))


def _check_arity(node: Node, row: Row, count: int) -> None:
    low, high = row.arity if isinstance(row.arity, tuple) else (row.arity, row.arity)
    if count < low or (high is not None and count > high):
        wanted = str(low) if low == high else f"at least {low}" if high is None else f"{low} to {high}"
        raise ModelFormatError(f"{node} has {count} inputs; its op takes {wanted}")


def lower_node(call: Call) -> list[Value | None]:
    """The outputs of ``call.node`` in order, None for one that nothing can use.

    Raises UnsupportedOpError for an unknown op, ModelFormatError for a node that its op does not allow, and
    what the kernels raise; the message names the node.

    >>> from tfgl.ir.evaluate import evaluate
    >>> from tfgl.ir.graph import DataType, Edge, Graph, Node
    >>> nodes = [Node("x", "Placeholder"), Node("y", "Relu", (Edge("x"),))]
    >>> evaluate(Graph({node.name: node for node in nodes}), {"x": [-1.0, 2.0]}, ["y"])["y"].tolist()
    [0.0, 2.0]
    """
    node = call.node
    try:
        row = _all_rows()[node.op]
    except KeyError:
        raise UnsupportedOpError(f"{node} is not supported; `tfgl ops` lists the ops that are") from None
    _check_arity(node, row, len(call.inputs))
    if row.opaque is not None:
        for i, value in enumerate(call.inputs):
            if isinstance(value, Opaque) and i not in row.opaque:
                raise InvalidArgumentError(f"{node}: input {i} takes a tensor, got {value.described}")
    try:
        outputs = row.handler(call)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{node}: {error}") from error
    except TfglError:
        raise
    except Exception as error:
        # What a kernel meets in a stranger's model and nobody thought of is still the model's fault, at this node.
        raise InvalidArgumentError(f"{node} cannot run: {type(error).__name__}: {error}") from error
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]  # type: ignore[list-item]
