"""Programs of loops and branches, run by Python and written as graphs of both kinds: frames, and functions.

Variables are ``x`` and ``y`` (float vectors) and ``i`` and ``j`` (int scalars). A program is a list of statements:
``(name, op, a, b)`` assigns, with variables or numbers as operands; ``("if", condition, then, otherwise)`` and
``("while", count, body)`` hold programs, a while ends after ``count`` (a variable's value, or a number) iterations
or when its condition ``("while", count, body, condition)`` fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphs import node
from tfgl.ir.graph import DataType, Edge, Function, FunctionName, Graph, Node, Signature, TensorInfo

Array = np.ndarray[Any, Any]
Program = Sequence[Any]
FLOAT, INT, BOOL = DataType("float32"), DataType("int32"), DataType("bool")
NAMES = ("x", "y", "i", "j")
TYPES = {"x": FLOAT, "y": FLOAT, "i": INT, "j": INT}

FLOAT_OPS: dict[str, Callable[[Any, Any], Any]] = {
    "AddV2": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Maximum": np.maximum, "Mul": lambda a, b: a * b,
}  # fmt: skip
INT_OPS: dict[str, Callable[[Any, Any], Any]] = {"AddV2": FLOAT_OPS["AddV2"], "Sub": FLOAT_OPS["Sub"]}
# On integers the host decides, on sums of floats the device.
CONDITIONS: dict[str, Callable[[Mapping[str, Array]], bool]] = {
    "i even": lambda v: int(v["i"]) % 2 == 0,
    "j even": lambda v: int(v["j"]) % 2 == 0,
    "i < 5": lambda v: int(v["i"]) < 5,
    "x positive": lambda v: float(np.sum(v["x"])) > 0,
}


def run(program: Program, values: Mapping[str, Array]) -> dict[str, Array]:
    """What the variables hold at the end."""
    held = dict(values)
    for statement in program:
        if statement[0] == "if":
            held = run(statement[2] if CONDITIONS[statement[1]](held) else statement[3], held)
        elif statement[0] == "while":
            bound = held[statement[1]] if isinstance(statement[1], str) else statement[1]
            turn = 0
            while turn < bound and (len(statement) < 4 or CONDITIONS[statement[3]](held)):
                held = run(statement[2], held)
                turn += 1
        else:
            name, op, a, b = statement
            operands = [held[o] if isinstance(o, str) else o for o in (a, b)]
            made = (FLOAT_OPS if TYPES[name] == FLOAT else INT_OPS)[op](*operands)
            held[name] = np.clip(made, -8, 8) if TYPES[name] == FLOAT else np.mod(made, 7)
    return held


def random_program(rng: np.random.Generator, depth: int, device: bool) -> Program:
    """One to four statements, nested up to ``depth``; with ``device`` conditions may depend on floats."""
    conditions = [name for name in CONDITIONS if device or name != "x positive"]
    program: list[Any] = []
    for _ in range(int(rng.integers(1, 5))):
        kind = rng.random()
        if depth and kind < 0.25:
            branches = [random_program(rng, depth - 1, device) if rng.random() < 0.8 else [] for _ in range(2)]
            program.append(("if", str(rng.choice(conditions)), *branches))
        elif depth and kind < 0.55:
            bound = str(rng.choice(["i", "j"])) if rng.random() < 0.5 else int(rng.integers(0, 4))
            more = (str(rng.choice(conditions)),) if rng.random() < 0.3 else ()
            program.append(("while", bound, random_program(rng, depth - 1, device), *more))
        else:
            name = str(rng.choice(NAMES))
            ops = FLOAT_OPS if TYPES[name] == FLOAT else INT_OPS
            same = [other for other in NAMES if TYPES[other] == TYPES[name]]
            second = str(rng.choice(same)) if rng.random() < 0.6 else int(rng.integers(1, 4))
            program.append((name, str(rng.choice(list(ops))), str(rng.choice(same)), second))
    return program


class Writer:
    """Statements as nodes; what differs between frames and functions is left to the two kinds."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.constants: dict[str, Array] = {}

    def add(self, op: str, *inputs: str, **attrs: Any) -> str:
        """A node; the name of its first output."""
        name = f"n{len(self.nodes)}_{op}"
        self.nodes[name] = node(name, op, *inputs, **attrs)
        return name

    def constant(self, value: Any) -> str:
        """A Const where the writer stands."""
        name = self.add("Const")
        self.constants[name] = np.asarray(value)
        return name

    def use(self, edge: str) -> str:
        """``edge`` as it is read where the writer stands."""
        return edge

    def calculate(self, op: str, *inputs: str, **attrs: Any) -> str:
        """A node whose inputs may come from outside."""
        return self.add(op, *(self.use(edge) for edge in inputs), **attrs)

    def write(self, program: Program, held: dict[str, str]) -> dict[str, str]:
        """The edges of the variables after ``program``."""
        for statement in program:
            if statement[0] == "if":
                held = self.branch(statement[1], statement[2], statement[3], held)
            elif statement[0] == "while":
                held = self.loop(statement[1], statement[2], statement[3] if len(statement) > 3 else None, held)
            else:
                held = {**held, statement[0]: self.assign(*statement, held)}  # type: ignore[call-arg]
        return held

    def assign(self, name: str, op: str, a: Any, b: Any, held: Mapping[str, str]) -> str:
        dtype = np.float32 if TYPES[name] == FLOAT else np.int32
        edges = [held[o] if isinstance(o, str) else self.constant(dtype(o)) for o in (a, b)]
        made = self.calculate(op, *edges, T=TYPES[name])
        if TYPES[name] == FLOAT:
            below = self.calculate("Minimum", made, self.constant(dtype(8)))
            return self.calculate("Maximum", below, self.constant(dtype(-8)))
        return self.calculate("FloorMod", made, self.constant(dtype(7)))

    def condition(self, name: str, held: Mapping[str, str]) -> str:
        if name == "x positive":
            total = self.calculate("Sum", held["x"], self.constant(np.array([0], np.int32)))
            return self.calculate("Greater", total, self.constant(np.float32(0)))
        variable = name[0]
        if name == "i < 5":
            return self.calculate("Less", held["i"], self.constant(np.int32(5)))
        rest = self.calculate("FloorMod", held[variable], self.constant(np.int32(2)))
        return self.calculate("Equal", rest, self.constant(np.int32(0)))

    def going_on(self, condition: str | None, held: Mapping[str, str]) -> str:
        """Whether a loop goes on that has come to ``turn`` and ends at ``last``."""
        more = self.calculate("Less", held["turn"], held["last"])
        return more if condition is None else self.calculate("LogicalAnd", more, self.condition(condition, held))

    def branch(self, condition: str, then: Program, otherwise: Program, held: dict[str, str]) -> dict[str, str]:
        raise NotImplementedError

    def loop(self, bound: Any, body: Program, condition: str | None, held: dict[str, str]) -> dict[str, str]:
        raise NotImplementedError


class FrameWriter(Writer):
    """Frames and switches as TensorFlow 1 writes them: constants wait by control edges, invariants enter."""

    def __init__(self) -> None:
        super().__init__()
        # What is around: ("loop", frame name, pivot) or ("branch", condition, pivot, side).
        self.contexts: list[tuple[Any, ...]] = []
        self.where: dict[str, tuple[Any, ...]] = {}
        self.brought: dict[Any, str] = {}

    def add(self, op: str, *inputs: str, **attrs: Any) -> str:
        if not inputs and self.contexts:
            inputs = (f"^{self.contexts[-1][2]}",)
        name = super().add(op, *inputs, **attrs)
        self.where[name] = tuple(self.contexts)
        return name

    def use(self, edge: str) -> str:
        depth = len(self.where[edge.partition(":")[0]])
        for level in range(depth, len(self.contexts)):
            context = self.contexts[level]
            key = (edge, *self.contexts[: level + 1])
            if key not in self.brought:
                around, self.contexts = self.contexts, self.contexts[: level + 1]
                if context[0] == "loop":
                    self.brought[key] = self.add("Enter", edge, frame_name=context[1], is_constant=True)
                else:
                    self.brought[key] = f"{self.add('Switch', edge, context[1])}:{context[3]}"
                self.contexts = around
            edge = self.brought[key]
        return edge

    def branch(self, condition: str, then: Program, otherwise: Program, held: dict[str, str]) -> dict[str, str]:
        chosen = self.add("Identity", self.condition(condition, held))
        pivots = self.add("Switch", chosen, chosen)
        changed = _assigned(then) | _assigned(otherwise)
        ends: list[dict[str, str]] = []
        for side, program in ((0, otherwise), (1, then)):
            pivot = self.add("Identity", f"{pivots}:{side}")
            self.contexts.append(("branch", chosen, pivot, side))
            result = self.write(program, dict(held))
            # What a branch leaves as it was still goes through it, where the other one changes it.
            ends.append({name: self.use(result[name]) for name in NAMES if name in changed})
            self.contexts.pop()
        return {**held, **{name: self.add("Merge", *(end[name] for end in ends)) for name in ends[0]}}

    def loop(self, bound: Any, body: Program, condition: str | None, held: dict[str, str]) -> dict[str, str]:
        frame = f"while_{len(self.nodes)}".encode()
        last = held[bound] if isinstance(bound, str) else self.constant(np.int32(bound))
        first = {**held, "turn": self.constant(np.int32(0)), "last": last}
        carried = sorted({"turn", *_assigned(body)})
        outer = {name: self.use(first[name]) for name in carried}
        self.contexts.append(("loop", frame, ""))
        merges = {}
        for name in carried:
            enter = self.add("Enter", outer[name], frame_name=frame, is_constant=False)
            merges[name] = self.add("Merge", enter, enter)
        # Constants of the condition wait for a variable's Merge, those of the body for its way into the body.
        self.wait_for(merges["turn"])
        test = self.add("LoopCond", self.going_on(condition, {**first, **merges}))
        switches = {name: self.add("Switch", merges[name], test) for name in carried}
        inside = {**first, **{name: self.add("Identity", f"{switches[name]}:1") for name in carried}}
        self.wait_for(inside["turn"])
        result = self.write(body, {name: inside[name] for name in NAMES})
        following = {**result, "turn": self.calculate("AddV2", inside["turn"], self.constant(np.int32(1)))}
        for name in carried:
            turned = self.add("NextIteration", self.use(following[name]))
            merge = self.nodes[merges[name]]
            self.nodes[merges[name]] = node(merge.name, "Merge", str(merge.inputs[0]), turned)
        self.contexts.pop()
        exits = {name: self.add("Exit", switches[name]) for name in carried}
        return {name: exits.get(name, held[name]) for name in NAMES}

    def wait_for(self, pivot: str) -> None:
        """From here on the constants of the innermost loop wait for ``pivot``."""
        before = tuple(self.contexts)
        self.contexts[-1] = (*before[-1][:2], pivot)
        for name, around in self.where.items():
            if around == before:
                self.where[name] = tuple(self.contexts)


class FunctionWriter(Writer):
    """While and If with functions of the library, as TensorFlow 2 writes them."""

    def __init__(self, functions: dict[str, Function]) -> None:
        super().__init__()
        self.functions = functions

    def function(self, arguments: Sequence[str], write: Callable[[FunctionWriter, dict[str, str]], list[str]]) -> str:
        inner = FunctionWriter(self.functions)
        for argument in arguments:
            inner.nodes[argument] = Node(argument, "Placeholder", attrs={"dtype": TYPES.get(argument, INT)})
        results = write(inner, {argument: argument for argument in arguments})
        name = f"f{len(self.functions)}"
        edges = tuple(Edge.parse(edge) for edge in results)
        graph = Graph(inner.nodes, {}, constants=inner.constants)
        names = tuple(f"r{at}" for at in range(len(edges)))
        self.functions[name] = Function(name, tuple(arguments), names, edges, graph)
        return name

    def branch(self, condition: str, then: Program, otherwise: Program, held: dict[str, str]) -> dict[str, str]:
        chosen = self.condition(condition, held)
        then_branch, else_branch = (
            FunctionName(self.function(NAMES, lambda w, h, p=p: list(w.write(p, h).values())))  # type: ignore[misc]
            for p in (then, otherwise)
        )
        made = self.add(
            "StatelessIf", chosen, *(held[name] for name in NAMES), then_branch=then_branch, else_branch=else_branch,
        )  # fmt: skip
        return {name: f"{made}:{at}" for at, name in enumerate(NAMES)}

    def loop(self, bound: Any, body: Program, condition: str | None, held: dict[str, str]) -> dict[str, str]:
        names = (*NAMES, "turn", "last")
        last = held[bound] if isinstance(bound, str) else self.constant(np.int32(bound))

        def test(w: FunctionWriter, h: dict[str, str]) -> list[str]:
            return [w.going_on(condition, h)]

        def step(w: FunctionWriter, h: dict[str, str]) -> list[str]:
            after = w.write(body, {name: h[name] for name in NAMES})
            return [*(after[name] for name in NAMES), w.add("AddV2", h["turn"], w.constant(np.int32(1))), h["last"]]

        made = self.add(
            "While", *(held[name] for name in NAMES), self.constant(np.int32(0)), last,
            cond=FunctionName(self.function(names, test)), body=FunctionName(self.function(names, step)),
        )  # fmt: skip
        return {name: f"{made}:{at}" for at, name in enumerate(NAMES)}


def _assigned(program: Program) -> set[str]:
    names: set[str] = set()
    for statement in program:
        if statement[0] == "if":
            names |= _assigned(statement[2]) | _assigned(statement[3])
        elif statement[0] == "while":
            names |= _assigned(statement[2])
        else:
            names.add(statement[0])
    return names


def graph_of(program: Program, *, functions: bool) -> Graph:
    """``program`` as a graph that takes and gives the four variables."""
    library: dict[str, Function] = {}
    writer: Writer = FunctionWriter(library) if functions else FrameWriter()
    for name in NAMES:
        writer.nodes[name] = Node(name, "Placeholder", attrs={"dtype": TYPES[name]})
        if isinstance(writer, FrameWriter):
            writer.where[name] = ()
    held = writer.write(program, {name: name for name in NAMES})
    inputs = {name: TensorInfo(f"{name}:0", TYPES[name]) for name in NAMES}
    outputs = {}
    for name in NAMES:
        edge = Edge.parse(writer.add("Identity", held[name]))
        outputs[f"{name}_out"] = TensorInfo(f"{edge}:0", TYPES[name])
    return Graph(writer.nodes, library, Signature(inputs, outputs), writer.constants)
