"""The passes in their order, run over a graph and the functions that it keeps, with a record of what each did."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfgl.errors import InvalidArgumentError, ModelFormatError, TfglError
from tfgl.ir.graph import Graph
from tfgl.ir.rewrites import PORTABLE_ACTIVATIONS, fold_batch_norms, fold_constants, fuse_activations, fuse_padding

from .biases import normalize_biases
from .clean_nodes import drop_control_inputs, remove_identities, strip_debug_ops
from .common_subexpressions import merge_common_subexpressions
from .constant_branches import constant_branches
from .default_attributes import fill_default_attributes
from .dilate_convolutions import dilate_convolutions
from .einsum_products import einsum_products
from .fold_scales import fold_scales
from .fold_shapes import fold_shapes
from .freeze_variables import freeze_variables
from .fuse_gelu import fuse_gelu
from .fuse_layer_norm import fuse_layer_norm
from .fuse_prelu import fuse_prelu
from .fuse_softmax import fuse_softmax
from .gate_constants import gate_constants
from .inline_functions import inline_functions
from .lower_control_flow import lower_control_flow
from .merge_constants import merge_constants
from .op_rewrites import rewrite_missing_ops, rewrite_remaining_ops
from .open_signature import open_signature
from .origins import Origins
from .prepare import prepare_constants, prune
from .push_scales import push_scales
from .rewriting import Pass, PassContext, Rewritten
from .simplify import simplify
from .sink_reshapes import sink_reshapes
from .sink_transposes import sink_transposes
from .split_cases import split_cases

SharedRewrite = Callable[[Graph, Collection[str]], tuple[Graph, int]]


def _shared(rewrite: SharedRewrite) -> Pass:
    def run(graph: Graph, context: PassContext) -> Rewritten:
        return Rewritten(*rewrite(graph, context.protected))

    run.__doc__ = rewrite.__doc__
    return run


def _fuse_operations(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with biases and activations behind them fused into convolutions and matrix products."""
    # TensorFlow.js ignores an activation that is fused without a bias.
    return Rewritten(*fuse_activations(graph, context.protected, need_bias=True, activations=PORTABLE_ACTIVATIONS))


# Those that look at functions themselves run once; the others also on every function that stays.
WHOLE: dict[str, Pass] = {
    "open_signature": open_signature,
    "inline_functions": inline_functions,
    "freeze_variables": freeze_variables,
    "split_cases": split_cases,
    "lower_control_flow": lower_control_flow,
}
EACH: dict[str, Pass] = {
    "default_attributes": fill_default_attributes,
    "prepare_constants": prepare_constants,
    "gate_constants": gate_constants,
    "strip_debug_ops": strip_debug_ops,
    "drop_control_inputs": drop_control_inputs,
    "prune": prune,
    "remove_identities": remove_identities,
    "fuse_gelu": fuse_gelu,
    "fuse_layer_norm": fuse_layer_norm,
    "fuse_softmax": fuse_softmax,
    "rewrite_missing_ops": rewrite_missing_ops,
    "rewrite_remaining_ops": rewrite_remaining_ops,
    "einsum_products": einsum_products,
    "sink_transposes": sink_transposes,
    "sink_reshapes": sink_reshapes,
    "fold_constants": _shared(fold_constants),
    "fold_shapes": fold_shapes,
    "constant_branches": constant_branches,
    "simplify": simplify,
    "merge_constants": merge_constants,
    "common_subexpressions": merge_common_subexpressions,
    "dilate_convolutions": dilate_convolutions,
    "normalize_biases": normalize_biases,
    "fold_scales": fold_scales,
    "push_scales": push_scales,
    "fold_batch_norms": _shared(fold_batch_norms),
    "fuse_padding": _shared(fuse_padding),
    "fuse_prelu": fuse_prelu,
    "fuse_operations": _fuse_operations,
}
PASSES: dict[str, Pass] = {**WHOLE, **EACH}
# Without these no model of variables and functions can be written.
REQUIRED = ("open_signature", "inline_functions", "freeze_variables", "split_cases", "lower_control_flow",
            "default_attributes", "prepare_constants", "gate_constants", "prune")  # fmt: skip
_CLEANING = ("fold_shapes", "fold_constants", "simplify", "common_subexpressions", "remove_identities", "prune")
FREEZING = ("open_signature", "inline_functions", "freeze_variables", "split_cases", "lower_control_flow")
ORDER: tuple[str, ...] = (
    *FREEZING,
    "default_attributes",
    "prepare_constants",
    "gate_constants",
    "strip_debug_ops",
    "drop_control_inputs",
    "prune",
    "remove_identities",
    *_CLEANING,
    "fuse_gelu",
    "fuse_layer_norm",
    "fuse_softmax",
    "rewrite_missing_ops",
    "default_attributes",
    *_CLEANING,
    "rewrite_remaining_ops",
    "constant_branches",
    "merge_constants",
    "einsum_products",
    "sink_transposes",
    "sink_reshapes",
    "dilate_convolutions",
    *_CLEANING,
    "fuse_prelu",
    "normalize_biases",
    "fold_scales",
    "fold_batch_norms",
    "normalize_biases",
    "fold_scales",
    "push_scales",
    "fuse_padding",
    *_CLEANING,
    "fuse_operations",
    "prune",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One pass that ran: what it changed, and the nodes before and after it.

    >>> Step("prune", 3, 10, 7).changed
    3
    """

    name: str
    changed: int
    nodes_before: int
    nodes_after: int


@dataclass
class PassRecord:
    """All steps in order, and for each written node the source nodes that it stands for."""

    steps: list[Step] = field(default_factory=list)
    origins: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The record as conversion.json has it.

        >>> PassRecord([Step("prune", 3, 10, 7)]).to_json()["passes"]
        [{'pass': 'prune', 'changed': 3, 'nodes_before': 10, 'nodes_after': 7}]
        """
        return {
            "passes": [
                {"pass": s.name, "changed": s.changed, "nodes_before": s.nodes_before, "nodes_after": s.nodes_after}
                for s in self.steps
            ],
            "nodes": {name: list(sources) for name, sources in self.origins.items()},
        }


def chosen_passes(names: Collection[str] | None) -> tuple[str, ...]:
    """The order with only the passes of ``names`` and the required ones; all for None.

    Raises InvalidArgumentError for a name that no pass has.

    >>> "fuse_padding" in chosen_passes([])
    False
    """
    if names is None:
        return ORDER
    unknown = sorted(set(names) - set(PASSES))
    if unknown:
        raise InvalidArgumentError(f"there is no pass {unknown[0]!r}; passes are {', '.join(PASSES)}")
    return tuple(name for name in ORDER if name in names or name in REQUIRED)


def run_passes(
    graph: Graph,
    context: PassContext,
    order: Sequence[str] = ORDER,
    *,
    check: Mapping[str, Callable[[Graph], None]] | None = None,
) -> tuple[Graph, PassRecord]:
    """The graph after the passes of ``order``, and their record.

    ``check`` holds functions to call with the graph after the last run of a pass. Node names that the signature
    uses are protected whatever ``context`` says.
    """
    if not graph.signature.outputs:
        graph = graph.replace(signature=dataclasses.replace(graph.signature, outputs=graph.outputs))
    origins = Origins()
    record = PassRecord()
    waiting = dict(check or {})
    for position, name in enumerate(order):
        before = _size(graph)
        graph, changed = _run(name, graph, context, origins)
        record.steps.append(Step(name, changed, before, _size(graph)))
        if name in waiting and name not in order[position + 1 :]:
            waiting[name](graph)
    record.origins = origins.of(graph)
    return graph, record


def _run(name: str, graph: Graph, context: PassContext, origins: Origins) -> tuple[Graph, int]:
    ends = {info.edge.node for info in (*graph.outputs.values(), *graph.inputs.values())}
    result = _applied(name, graph, dataclasses.replace(context, protected=frozenset(context.protected) | ends))
    origins.follow(graph, result.graph, trace=name not in FREEZING)
    graph, count = result.graph, result.count
    if name in EACH and graph.functions:
        functions = {}
        for key, function in graph.functions.items():
            kept = frozenset(function.arguments) | {edge.node for edge in function.results}
            inner = _applied(name, function.graph, dataclasses.replace(context, protected=kept))
            origins.follow(function.graph, inner.graph, trace=True, prefix=f"{key}/")
            functions[key] = dataclasses.replace(function, graph=inner.graph)
            count += inner.count
        graph = graph.replace(functions=functions)
    return graph, count


def _applied(name: str, graph: Graph, context: PassContext) -> Rewritten:
    """What a pass makes of the graph; it need not guard against nodes that TensorFlow itself would refuse."""
    try:
        return PASSES[name](graph, context)
    except TfglError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelFormatError(
            f"pass {name!r} cannot read the graph ({reason}): a node lacks inputs or attributes that its op needs; "
            "if TensorFlow runs the model, please report it"
        ) from error


def _size(graph: Graph) -> int:
    return len(graph.nodes) + sum(len(function.graph.nodes) for function in graph.functions.values())
