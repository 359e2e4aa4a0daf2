"""Control flow: choices by Switch and Merge, loops, and calls of functions."""

from __future__ import annotations

import numpy as np

from ...errors import ModelFormatError
from ..loops import LOOP
from .call import DEAD, Call, Value
from .registry import lower


@lower("Switch", inputs=2, host=(1,), opaque=(0,))
def switch(call: Call) -> list[Value]:
    """The data on the side that the condition chooses: output 0 when it does not hold, output 1 when it does."""
    data = call.inputs[0]
    return [DEAD, data] if call.truth(call.inputs[1]) else [data, DEAD]


@lower("Merge", inputs=(1, None), opaque=None, dead=True)
def merge(call: Call) -> list[Value]:
    """The input whose branch was taken, and its number."""
    for at, value in enumerate(call.inputs):
        if value is not DEAD:
            return [value, call.constant(np.array(at, np.int32))]
    return [DEAD, DEAD]


@lower("LoopCond", inputs=1)
def loop_condition(call: Call) -> Value:
    """The condition itself."""
    return call.inputs[0]


@lower("Enter", "Exit", "NextIteration", inputs=1, opaque=None)
def part_of_a_loop(call: Call) -> Value:
    """`tfgl.ir.loops` puts whole loops in place of these; one that is reached belongs to none."""
    raise ModelFormatError(f"{call.node} belongs to no loop")


@lower(LOOP, inputs=(0, None), opaque=None, dead=True, internal=True)
def loop(call: Call) -> list[Value]:
    """Iterations of the function ``body`` until one hands no variable on (see `tfgl.ir.loops`)."""
    body, count, exits = call.function("body"), call.integer("variables"), call.integer("exits")
    variables, others = list(call.inputs[:count]), call.inputs[count:]
    left: list[Value] = [DEAD] * exits
    while True:
        results = call.invoke(body, [*variables, *others])
        left = [before if now is DEAD else now for before, now in zip(left, results[:exits], strict=True)]
        variables = results[exits:]
        if all(value is DEAD for value in variables):
            return left


@lower("While", "StatelessWhile", inputs=(0, None), opaque=None)
def while_op(call: Call) -> list[Value]:
    """The function ``body`` applied to the inputs for as long as the function ``cond`` holds of them."""
    condition, body = call.function("cond"), call.function("body")
    values = list(call.inputs)
    while True:
        holds = call.invoke(condition, values)
        if len(holds) != 1:
            raise ModelFormatError(f"{call.node}: function {str(condition)!r} returns {len(holds)} values, expected 1")
        if not call.truth(holds[0]):
            return values
        taken = len(values)
        values = call.invoke(body, values)
        if len(values) != taken:
            raise ModelFormatError(
                f"{call.node}: function {str(body)!r} takes {taken} values and returns {len(values)}, not as many"
            )


@lower("If", "StatelessIf", inputs=(1, None), host=(0,), opaque=None)
def if_op(call: Call) -> list[Value]:
    """One of two functions, applied to the inputs after the condition."""
    chosen = "then_branch" if call.truth(call.inputs[0]) else "else_branch"
    return call.invoke(call.function(chosen), call.inputs[1:])


@lower("Case", "StatelessCase", inputs=(1, None), host=(0,), opaque=None)
def case(call: Call) -> list[Value]:
    """One of several functions, by index; an index outside means the last."""
    branches = call.required("branches")
    if not isinstance(branches, list) or not branches:
        raise ModelFormatError(f"{call.node}, attr 'branches': expected names of functions, got {branches!r}")
    index = call.host_integer(0)
    return call.invoke(branches[index if 0 <= index < len(branches) else -1], call.inputs[1:])


@lower("PartitionedCall", "StatefulPartitionedCall", inputs=(0, None), opaque=None)
def partitioned_call(call: Call) -> list[Value]:
    """A function applied to the inputs."""
    return call.invoke(call.function("f"), call.inputs)
