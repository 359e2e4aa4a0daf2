"""Loops, branches and calls of other subgraphs; variables and tables, which this makes values and tables."""

from __future__ import annotations

from collections.abc import Sequence

from tfgl.ir.graph import DataType, Function, FunctionName
from tfgl.keras.builder import Tensor

from .operator import Operator
from .registry import operator


def _called(o: Operator, option: str, arguments: int, results: int | None = None) -> Function:
    function = o.around.function_at(int(o.option(option)), o.place)
    if len(function.arguments) != arguments or (results is not None and len(function.results) != results):
        raise o.malformed(
            f"subgraph {function.name!r} takes {len(function.arguments)} values and returns "
            f"{len(function.results)}; expected {arguments} and {'any' if results is None else results}"
        )
    return function


def _many(o: Operator, op: str, inputs: Sequence[Tensor], **attrs: object) -> list[Tensor]:
    return o.results(op, inputs, **attrs)  # type: ignore[arg-type]


@operator("WHILE")
def while_(o: Operator) -> Sequence[Tensor]:
    """A While node whose cond and body are functions."""
    given = o.all_inputs()
    cond = _called(o, "CondSubgraphIndex", len(given), 1)
    body = _called(o, "BodySubgraphIndex", len(given), len(given))
    types = [DataType(x.dtype) for x in given]
    return _many(o, "While", given, T=types, cond=FunctionName(cond.name), body=FunctionName(body.name),
                 parallel_iterations=10)  # fmt: skip


@operator("IF")
def if_(o: Operator) -> Sequence[Tensor]:
    """An If node whose branches are functions."""
    condition, *given = o.all_inputs()
    then, otherwise = (
        _called(o, f"{side}SubgraphIndex", len(given), len(o.outputs)) for side in ("Then", "Else")
    )
    return _many(
        o, "If", [condition, *given], Tcond=DataType(condition.dtype), Tin=[DataType(x.dtype) for x in given],
        Tout=[DataType(o.out(i).dtype) for i in range(len(o.outputs))], then_branch=FunctionName(then.name),
        else_branch=FunctionName(otherwise.name),
    )  # fmt: skip


@operator("CALL", "STABLEHLO_COMPOSITE")
def call(o: Operator) -> Sequence[Tensor]:
    """A call, of a composite's decomposition too; inlined later."""
    given = o.all_inputs()
    option = "Subgraph" if o.name == "CALL" else "DecompositionSubgraphIndex"
    function = _called(o, option, len(given), len(o.outputs))
    return _many(
        o, "PartitionedCall", given, f=FunctionName(function.name), Tin=[DataType(x.dtype) for x in given],
        Tout=[DataType(o.out(i).dtype) for i in range(len(o.outputs))],
    )  # fmt: skip


@operator("CALL_ONCE")
def call_once(o: Operator) -> Sequence[Tensor]:
    """A subgraph that gives variables and tables their first values."""
    o.around.call_once(int(o.option("InitSubgraphIndex")), o.place)
    return []


@operator("VAR_HANDLE")
def var_handle(o: Operator) -> Tensor:
    """A variable by its container and name."""
    return o.around.resources.handle(o.b, (o.option_text("Container"), o.option_text("SharedName")))


@operator("READ_VARIABLE")
def read_variable(o: Operator) -> Tensor:
    """The value that the variable has at this place of the subgraph."""
    return o.around.resources.read(o)


@operator("ASSIGN_VARIABLE")
def assign_variable(o: Operator) -> Sequence[Tensor]:
    """From here on the variable has another value, in this call of the model."""
    o.around.resources.assign(o)
    return []


@operator("HASHTABLE")
def hashtable(o: Operator) -> Tensor:
    """A table; its contents are what a CALL_ONCE subgraph imports."""
    return o.around.resources.table(o)


@operator("HASHTABLE_IMPORT")
def hashtable_import(o: Operator) -> Sequence[Tensor]:
    """Keys and values, which must be constants."""
    o.around.resources.fill(o)
    return []


@operator("HASHTABLE_FIND")
def hashtable_find(o: Operator) -> Tensor:
    """The values of keys, a default for those that are not there."""
    keys, default = o.x(1), o.x(2)
    return o.result(
        "LookupTableFindV2", [o.x(0), keys, default], Tin=DataType(keys.dtype), Tout=DataType(default.dtype)
    )


@operator("HASHTABLE_SIZE")
def hashtable_size(o: Operator) -> Tensor:
    """How many keys a table has."""
    return o.result("LookupTableSizeV2", [o.x(0)])
