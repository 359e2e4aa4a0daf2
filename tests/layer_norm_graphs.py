"""Layer norms as converters write them out, for tests."""

from __future__ import annotations

from typing import Any

from graph_models import node


def layer_norm(name: str, x: str, form: str = "batch_normalization", axes: str = "axes") -> list[dict[str, Any]]:
    """The nodes of a norm called ``name``; the weights are gamma, beta, epsilon and the axes."""

    def at(suffix: str) -> str:
        return f"{name}/{suffix}"

    deviation = node(at("deviation"), "Sub", [x, at("mean")])
    squares = {
        "batch_normalization": [
            node(at("fixed"), "StopGradient", [at("mean")]),
            node(at("squares"), "SquaredDifference", [x, at("fixed")]),
        ],
        "deviation": [deviation, node(at("squares"), "Square", [at("deviation")])],
        "factor": [deviation, node(at("squares"), "Mul", [at("deviation"), at("deviation")])],
    }
    last = {
        "batch_normalization": [
            node(at("factor"), "Mul", [at("root"), "gamma"]),
            node(at("scaled"), "Mul", [x, at("factor")]),
            node(at("shift"), "Mul", [at("mean"), at("factor")]),
            node(at("rest"), "Sub", ["beta", at("shift")]),
            node(name, "AddV2", [at("scaled"), at("rest")]),
        ],
        "deviation": [
            node(at("normal"), "Mul", [at("deviation"), at("root")]),
            node(at("scaled"), "Mul", ["gamma", at("normal")]),
            node(name, "AddV2", [at("scaled"), "beta"]),
        ],
        "factor": [
            node(at("factor"), "Mul", ["gamma", at("root")]),
            node(at("scaled"), "Mul", [at("factor"), at("deviation")]),
            node(name, "AddV2", ["beta", at("scaled")]),
        ],
    }
    return [
        node(at("mean"), "Mean", [x, axes], keep_dims=True),
        *squares[form],
        node(at("variance"), "Mean", [at("squares"), axes], keep_dims=True),
        node(at("total"), "AddV2", [at("variance"), "epsilon"]),
        node(at("root"), "Rsqrt", [at("total")]),
        *last[form],
    ]
