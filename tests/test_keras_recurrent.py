"""Recurrent layers and attention against loops in float64, masks included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special

from keras_layers import Array, close, entry, functional, input_entry, layer_graph, normal, run_layer, values_of
from tfgl.errors import UnsupportedOpError
from tfgl.ir.evaluate import evaluate
from tfgl.keras import graph_of_keras
from tfgl_converter.passes import PassContext, run_passes

State = list[Array]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    return np.asarray(scipy.special.softmax(x, axis=-1))


def simple_step(x: Array, states: State, w: State) -> tuple[Array, State]:
    h = np.tanh(x @ w[0] + w[2] + states[0] @ w[1])
    return h, [h]


def lstm_step(x: Array, states: State, w: State) -> tuple[Array, State]:
    h, c = states
    i, f, g, o = np.split(x @ w[0] + h @ w[1] + w[2], 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


def gru_step(x: Array, states: State, w: State) -> tuple[Array, State]:
    (h,) = states
    kernel, recurrent, bias = w
    units = h.shape[-1]
    if bias.ndim == 2:  # reset_after
        xz, xr, xh = np.split(x @ kernel + bias[0], 3, -1)
        hz, hr, hh = np.split(h @ recurrent + bias[1], 3, -1)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        new = np.tanh(xh + r * hh)
    else:
        xz, xr, xh = np.split(x @ kernel + bias, 3, -1)
        z = sigmoid(xz + h @ recurrent[:, :units])
        r = sigmoid(xr + h @ recurrent[:, units : 2 * units])
        new = np.tanh(xh + (r * h) @ recurrent[:, 2 * units :])
    h = z * h + (1 - z) * new
    return h, [h]


STEPS: dict[str, Any] = {"SimpleRNN": (simple_step, 1, 1), "LSTM": (lstm_step, 4, 2), "GRU": (gru_step, 3, 1)}


def loop(
    name: str, x: Array, w: State, mask: Array | None = None, states: State | None = None, backwards: bool = False
) -> tuple[Array, State]:
    """All outputs in the order of computation, and the last states."""
    step, _, count = STEPS[name]
    units = w[1].shape[0]
    states = [np.zeros((len(x), units))] * count if states is None else states
    last, outputs = np.zeros((len(x), units)), []
    for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
        out, new = step(x[:, t], states, w)
        if mask is not None:
            keep = mask[:, t, None]
            out = np.where(keep, out, last)
            new = [np.where(keep, a, b) for a, b in zip(new, states, strict=True)]
        last, states = out, new
        outputs.append(out)
    return np.stack(outputs, 1), states


def weights_of(name: str, features: int, units: int, after: bool = True) -> State:
    gates = STEPS[name][1]
    bias = normal(2, gates * units) if name == "GRU" and after else normal(gates * units)
    return [normal(features, gates * units), normal(units, gates * units), bias]


def config_of(name: str, **more: Any) -> dict[str, Any]:
    return {"units": 4, "activation": "tanh", "recurrent_activation": "sigmoid", **more}


def run_form(form: str, name: str, config: dict[str, Any], x: Array, *states: Array, **options: Any) -> Any:
    """A layer with its steps written out, or as a loop over an open length."""
    if form == "loop":
        return run_layer(name, config, x, *states, space=[None, *x.shape[2:]], **options)
    return run_layer(name, {**config, "unroll": True}, x, *states, **options)


both_forms = pytest.mark.parametrize("form", ["loop", "written out"])


@both_forms
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("name", sorted(STEPS))
def test_sequences_states_and_direction(form: str, name: str, backwards: bool) -> None:
    x, w = normal(3, 5, 2), weights_of(name, 2, 4)
    expected, states = loop(name, x, w, backwards=backwards)
    config = config_of(name, go_backwards=backwards, reset_after=True)
    close(run_form(form, name, config, x, weights=w), expected[:, -1], 1e-5)
    results = run_form(
        form, name, {**config, "return_sequences": True, "return_state": True}, x, weights=w, outputs=1 + STEPS[name][2]
    )
    for result, value in zip(results, [expected, *states], strict=True):
        close(result, value, 1e-5)


@both_forms
@pytest.mark.parametrize("name", sorted(STEPS))
def test_initial_states_and_masks(form: str, name: str) -> None:
    count = STEPS[name][2]
    x, w = normal(3, 5, 2), weights_of(name, 2, 4)
    x[0, 3:] = 0
    x[1, :2] = 0
    x[2] = 0
    mask = (x != 0).any(-1)
    states = [normal(3, 4) for _ in range(count)]
    masking = [entry("Masking", "masking", mask_value=0.0)]
    config = config_of(name, return_sequences=True, return_state=True, reset_after=True)
    for given in ([], states):
        expected, last = loop(name, x, w, mask, given or None)
        results = run_form(form, name, config, x, *given, weights=w, outputs=1 + count, before=masking)
        for result, value in zip(results, [expected, *last], strict=True):
            close(result, value, 1e-5)
    zeroed = run_form(
        form, name, {**config, "zero_output_for_mask": True}, x, weights=w, outputs=1 + count, before=masking
    )
    close(zeroed[0], loop(name, x, w, mask)[0] * mask[..., None], 1e-5)


@both_forms
def test_keras_3_knows_no_mask_beside_given_states(form: str) -> None:
    x, w, state = normal(2, 5, 2), weights_of("GRU", 2, 4), normal(2, 4)
    x[0, 2:] = 0
    masking = [entry("Masking", "masking", mask_value=0.0)]
    config = config_of("GRU", return_sequences=True, reset_after=True)
    results = run_form(form, "GRU", config, x, state, weights=w, before=masking, version="3.10.0")
    close(results, loop("GRU", x, w, None, [state])[0], 1e-5)


@both_forms
def test_gru_of_before_reset_after(form: str) -> None:
    x, w = normal(3, 5, 2), weights_of("GRU", 2, 4, after=False)
    expected, _ = loop("GRU", x, w)
    close(run_form(form, "GRU", config_of("GRU"), x, weights=w), expected[:, -1], 1e-5)
    # A file of TensorFlow.js has no reset_after, nor has it two biases.
    close(run_form(form, "GRU", config_of("GRU", reset_after=False), x, weights=w), expected[:, -1], 1e-5)


@both_forms
def test_without_bias(form: str) -> None:
    x, w = normal(2, 4, 3), weights_of("GRU", 3, 4)
    config = config_of("GRU", use_bias=False, reset_after=True)
    expected, _ = loop("GRU", x, [*w[:2], np.zeros((2, 12))])
    close(run_form(form, "GRU", config, x, weights=w[:2]), expected[:, -1], 1e-5)


@both_forms
@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("sequences", [False, True])
def test_bidirectional(mode: str | None, sequences: bool, form: str) -> None:
    x, ahead, back = normal(3, 5, 2), weights_of("LSTM", 2, 4), weights_of("LSTM", 2, 4)
    x[1, 3:] = 0
    mask = (x != 0).any(-1)
    lstm = config_of("LSTM", return_sequences=sequences, unroll=form != "loop")
    inner = {"class_name": "LSTM", "config": {"name": "lstm", **lstm}}
    first, _ = loop("LSTM", x, ahead, mask)
    second, _ = loop("LSTM", x, back, mask, backwards=True)
    if sequences:  # steps without meaning are 0 in both directions
        first, second = first * mask[..., None], second[:, ::-1] * mask[..., None]
    else:
        first, second = first[:, -1], second[:, -1]
    merged = {
        "concat": np.concatenate([first, second], -1), "sum": first + second, "mul": first * second,
        "ave": (first + second) / 2,
    }  # fmt: skip
    masking = [entry("Masking", "masking", mask_value=0.0)]
    config = {"layer": inner, "merge_mode": mode}
    space = [None, 2] if form == "loop" else None
    result = run_layer(
        "Bidirectional",
        config,
        x,
        space=space,
        weights=[*ahead, *back],
        before=masking,
        outputs=2 if mode is None else 1,
    )
    if mode is None:
        close(result[0], first, 1e-5)
        close(result[1], second, 1e-5)
    else:
        close(result, merged[mode], 1e-5)
    names = [f"{side}/{n}" for side in ("forward", "backward") for n in ("kernel", "recurrent_kernel", "bias")]
    if mode is not None:
        again = run_layer(
            "Bidirectional", config, x, weights=dict(zip(names, [*ahead, *back], strict=True)), before=masking
        )
        close(again, result, 1e-5)


@both_forms
def test_stacked_cells(form: str) -> None:
    x, first, second = normal(2, 4, 3), weights_of("LSTM", 3, 4), weights_of("GRU", 4, 4)
    cells = [
        {"class_name": "LSTMCell", "config": {"name": "a", **config_of("LSTM")}},
        {"class_name": "GRUCell", "config": {"name": "b", **config_of("GRU", reset_after=True)}},
    ]
    stack = {"class_name": "StackedRNNCells", "config": {"name": "stack", "cells": cells}}
    config = {"cell": stack, "return_sequences": True, "return_state": True}
    results = run_form(form, "RNN", config, x, weights=[*first, *second], outputs=4)
    middle, states = loop("LSTM", x, first)
    last, more = loop("GRU", middle, second)
    for result, value in zip(results, [last, *states, *more], strict=True):
        close(result, value, 1e-5)


def test_time_distributed() -> None:
    x, kernel, bias = normal(2, 3, 4, 5), normal(5, 6), normal(6)
    inner = {"class_name": "Dense", "config": {"name": "d", "units": 6}}
    for space in (None, [None, 4, 5]):
        close(run_layer("TimeDistributed", {"layer": inner}, x, weights=[kernel, bias], space=space), x @ kernel + bias)


def looped(**config: Any) -> bool:
    length = config.pop("length")
    graph = layer_graph("LSTM", config_of("LSTM", **config), [normal(1, length or 5, 2)], weights_of("LSTM", 2, 4),
                        space=[length, 2])  # fmt: skip
    return any(node.op == "StatelessWhile" for node in graph.nodes.values())


def test_what_becomes_a_loop() -> None:
    assert looped(length=None)
    assert looped(length=None, unroll=True)
    assert looped(length=30)
    assert not looped(length=30, unroll=True)
    assert not looped(length=2)
    assert looped(length=5000, unroll=True)  # too many to write out


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("name", sorted(STEPS))
def test_the_form_with_fewer_nodes_is_taken(name: str, sequences: bool) -> None:
    def size(length: int, **more: Any) -> int:
        config = config_of(name, return_sequences=sequences, reset_after=True, **more)
        before = layer_graph(name, config, [normal(1, length, 2)], weights_of(name, 2, 4))
        return len(run_passes(before, PassContext())[0].nodes)

    for length in (1, 3, 5, 8, 13):
        assert size(length) <= size(length, unroll=True) + 3


@pytest.mark.parametrize("form", ["loop", "written out"])
def test_time_major(form: str) -> None:
    x, w = normal(5, 3, 2), weights_of("LSTM", 2, 4)
    expected, states = loop("LSTM", x.swapaxes(0, 1), w)
    config = config_of("LSTM", time_major=True, return_sequences=True, return_state=True, unroll=form != "loop")
    space = (None, None, 2) if form == "loop" else (5, 3, 2)
    layers = [entry("InputLayer", "x", batch_input_shape=space), entry("LSTM", "l", [[["x", 0, 0, {}]]], **config)]
    graph = graph_of_keras(functional(layers, ["x"], [["l", 0, i] for i in range(3)]), {"l": w})
    results = values_of(graph, {"x": x}).values()
    for result, value in zip(results, [expected.swapaxes(0, 1), *states], strict=True):
        close(result, value, 1e-5)


def test_a_layer_that_keeps_its_states_is_warned_of() -> None:
    layers = [input_entry("x", [4, 2]), entry("GRU", "l", [[["x", 0, 0, {}]]], **config_of("GRU", stateful=True))]
    told: list[str] = []
    graph_of_keras(functional(layers, ["x"], ["l"]), {"l": weights_of("GRU", 2, 4)}, warn=told.append)
    assert told == [
        "layer 'model/l' (GRU) is stateful; a graph model keeps no states between calls, each begins with zeros"
    ]


def test_a_layer_of_open_length_on_every_step() -> None:
    x, w = normal(2, 3, 4, 2), weights_of("GRU", 2, 4)
    inner = {"class_name": "GRU", "config": {"name": "g", **config_of("GRU", reset_after=True, return_sequences=True)}}
    expected, _ = loop("GRU", x.reshape(6, 4, 2), w)
    for space in ([3, 4, 2], [None, 4, 2], [None, None, 2]):
        close(
            run_layer("TimeDistributed", {"layer": inner}, x, weights=w, space=space),
            expected.reshape(2, 3, 4, 4),
            1e-5,
        )


def test_a_fixed_length_may_be_given() -> None:
    layers = [input_entry("x", [None, 2]), entry("LSTM", "l", [[["x", 0, 0, {}]]], **config_of("LSTM"))]
    graph = graph_of_keras(
        functional(layers, ["x"], ["l"]), {"l": weights_of("LSTM", 2, 4)}, input_shapes={"x": (None, 5, 2)}
    )
    assert graph.inputs["x"].shape == (-1, 5, 2)


# Masks of other layers ---------------------------------------------------------------------------------------------


def tokens_model(*layers: dict[str, Any], outputs: list[str], version: str = "2.15.0", **weights: Any) -> Any:
    table = normal(6, 4)
    first = [
        input_entry("t", [5], "int32"),
        entry("Embedding", "e", [[["t", 0, 0, {}]]], input_dim=6, output_dim=4, mask_zero=True),
    ]
    model = functional([*first, *layers], ["t"], outputs)
    return graph_of_keras(model, {"e": [table], **weights}, keras_version=version), table


TOKENS = np.array([[1, 2, 3, 0, 0], [4, 0, 5, 1, 0]], np.int32)


def test_masks_pass_through_layers_to_the_mean() -> None:
    kernel, bias = normal(4, 3), normal(3)
    layers = [
        entry("Dense", "d", [[["e", 0, 0, {}]]], units=3),
        entry("Dropout", "o", [[["d", 0, 0, {}]]], rate=0.1),
        entry("Add", "a", [[["o", 0, 0, {}], ["d", 0, 0, {}]]]),
        entry("GlobalAveragePooling1D", "m", [[["a", 0, 0, {}]]]),
        entry("Permute", "p", [[["a", 0, 0, {}]]], dims=[1, 2]),
        entry("GlobalAveragePooling1D", "n", [[["p", 0, 0, {}]]]),
    ]
    graph, table = tokens_model(*layers, outputs=["m", "n"], d=[kernel, bias])
    results = evaluate(graph, {"t": TOKENS}, ["m", "n"])
    values, mask = 2 * (table[TOKENS] @ kernel + bias), (TOKENS != 0)[..., None]
    close(results["m"], (values * mask).sum(1) / mask.sum(1), 1e-5)
    close(results["n"], values.mean(1), 1e-5)  # Permute does not know masks


def test_functions_between_layers_lose_the_mask() -> None:
    """As Keras 2 does: its TFOpLambda does not support masking, and what comes behind sees none."""
    layers = [
        entry("TFOpLambda", "f", [["e", 0, 0, {"y": ["e", 0, 0]}]], function="__operators__.add"),
        entry("GlobalAveragePooling1D", "m", [[["f", 0, 0, {}]]]),
    ]
    graph, table = tokens_model(*layers, outputs=["m"])
    close(evaluate(graph, {"t": TOKENS}, ["m"])["m"], 2 * table[TOKENS].mean(1), 1e-5)


def test_softmax_hides_what_is_masked() -> None:
    layers = [
        entry("Dense", "d", [[["e", 0, 0, {}]]], units=1),
        entry("Reshape", "r", [[["d", 0, 0, {}]]], target_shape=[5]),
        entry("Attention", "a", [[["e", 0, 0, {}], ["e", 0, 0, {}]]]),
    ]
    graph, table = tokens_model(*layers, outputs=["a"], d=[normal(4, 1), normal(1)])
    x, mask = table[TOKENS], TOKENS != 0
    scores = x @ x.transpose(0, 2, 1) - 1e9 * ~mask[:, None]
    close(evaluate(graph, {"t": TOKENS}, ["a"])["a"], softmax(scores) @ x * mask[..., None], 1e-5)


# Attention ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal: bool) -> None:
    query, value, key = normal(2, 3, 4), normal(2, 5, 6), normal(2, 5, 4)
    hidden = ~np.tril(np.ones((3, 5), bool)) if causal else np.zeros((3, 5), bool)
    kwargs = {"use_causal_mask": causal}
    scores = query @ key.transpose(0, 2, 1) * 0.7
    expected = softmax(scores - 1e9 * hidden) @ value
    result = run_layer("Attention", {"use_scale": True}, query, value, key, weights=[np.array(0.7)], kwargs=kwargs)
    close(result, expected, 1e-5)
    scale = normal(4)
    scores = (np.tanh(query[:, :, None] + key[:, None]) * scale).sum(-1)
    result = run_layer("AdditiveAttention", {"use_scale": True}, query, value, key, weights=[scale], kwargs=kwargs)
    close(result, softmax(scores - 1e9 * hidden) @ value, 1e-5)
    scores = 0.3 * np.tanh(query[:, :, None] + key[:, None]).sum(-1)
    config = {"score_mode": "concat", "use_scale": False}
    result = run_layer("Attention", config, query, value, key, weights=[np.array(0.3)], kwargs=kwargs)
    close(result, softmax(scores - 1e9 * hidden) @ value, 1e-5)


def test_causal_attention_over_an_open_length() -> None:
    x = normal(2, 4, 3)
    scores = np.where(np.tril(np.ones((4, 4), bool)), x @ x.transpose(0, 2, 1), -1e9)
    layers = [
        input_entry("x", [None, 3]),
        entry("Attention", "a", [[["x", 0, 0, {"use_causal_mask": True}], ["x", 0, 0]]]),
    ]
    graph = graph_of_keras(functional(layers, ["x"], ["a"]), {})
    close(evaluate(graph, {"x": x}, ["a"])["a"], softmax(scores) @ x, 1e-5)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("version", ["2.15.0", "3.6.0"])
def test_multi_head_attention(version: str, causal: bool) -> None:
    query, value = normal(2, 3, 6), normal(2, 5, 7)
    shapes = [(6, 2, 4), (2, 4), (7, 2, 4), (2, 4), (7, 2, 3), (2, 3), (2, 3, 6), (6,)]
    weights = [normal(*shape) for shape in shapes]
    q = np.einsum("bte,enk->bntk", query, weights[0]) + weights[1][:, None]
    k = np.einsum("bte,enk->bntk", value, weights[2]) + weights[3][:, None]
    v = np.einsum("bte,enk->bntk", value, weights[4]) + weights[5][:, None]
    scores = q @ k.transpose(0, 1, 3, 2) / 2
    if causal:
        scores = np.where(np.tril(np.ones((3, 5), bool)), scores, -1e9)
    expected = np.einsum("bntk,nke->bte", softmax(scores) @ v, weights[6]) + weights[7]
    config = {"num_heads": 2, "key_dim": 4, "value_dim": 3}
    kwargs = {"use_causal_mask": causal, "return_attention_scores": True}
    results = run_layer(
        "MultiHeadAttention", config, query, value, weights=weights, kwargs=kwargs, version=version, outputs=2
    )
    close(results[0], expected, 1e-5)
    close(results[1], softmax(scores), 1e-5)


@both_forms
@pytest.mark.parametrize("channels_first", [False, True], ids=["last", "first"])
def test_conv_lstm(form: str, channels_first: bool) -> None:
    from test_keras_layers import convolution

    x = normal(2, 3, 5, 6, 2)
    kernel, recurrent, bias = normal(3, 3, 2, 16), normal(3, 3, 4, 16), normal(16)
    h = c = np.zeros((2, 3, 4, 4))
    outputs = []
    for t in range(3):
        z = convolution(x[:, t], kernel, [1, 1], "valid", [1, 1]) + bias
        z = z + convolution(h, recurrent, [1, 1], "same", [1, 1])
        i, f, g, o = np.split(z, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    config = {
        "filters": 4, "kernel_size": [3, 3], "padding": "valid", "activation": "tanh",
        "recurrent_activation": "sigmoid", "return_sequences": True, "return_state": True,
    }  # fmt: skip
    expected = [np.stack(outputs, 1), h, c]
    if channels_first:
        config["data_format"] = "channels_first"
        x = np.moveaxis(x, -1, 2)
        expected = [np.moveaxis(expected[0], -1, 2), *(np.moveaxis(state, -1, 1) for state in expected[1:])]
    results = run_form(form, "ConvLSTM2D", config, x, weights=[kernel, recurrent, bias], outputs=3)
    for result, value in zip(results, expected, strict=True):
        close(result, value, 1e-5)


@both_forms
def test_a_convolutional_cell(form: str) -> None:
    x, weights = normal(2, 3, 4, 5, 2), [normal(3, 3, 2, 8), normal(3, 3, 2, 8), normal(8)]
    config = {"filters": 2, "kernel_size": [3, 3], "padding": "same", "recurrent_activation": "sigmoid"}
    whole = run_form(form, "ConvLSTM2D", {**config, "return_sequences": True}, x, weights=weights)
    cell = {"class_name": "ConvLSTM2DCell", "config": {"name": "c", **config}}
    close(run_form(form, "RNN", {"cell": cell, "return_sequences": True}, x, weights=weights), whole, 1e-6)


@both_forms
def test_conv_lstm_of_steps(form: str) -> None:
    from test_keras_layers import convolution

    x = normal(2, 2, 5, 2)
    kernel, recurrent, bias = normal(3, 2, 8), normal(3, 2, 8), normal(8)
    h = c = np.zeros((2, 5, 2))
    for t in range(2):
        z = convolution(x[:, t], kernel, [1], "same", [1]) + bias + convolution(h, recurrent, [1], "same", [1])
        i, f, g, o = np.split(z, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    config = {"filters": 2, "kernel_size": [3], "padding": "same", "recurrent_activation": "sigmoid"}
    close(run_form(form, "ConvLSTM1D", config, x, weights=[kernel, recurrent, bias]), h, 1e-5)


def test_grouped_query_attention() -> None:
    x = normal(2, 3, 6)
    shapes = [(6, 4, 5), (4, 5), (6, 2, 5), (2, 5), (6, 2, 5), (2, 5), (4, 5, 6), (6,)]
    weights = [normal(*shape) for shape in shapes]
    q = np.einsum("bte,enk->bntk", x, weights[0]) + weights[1][:, None]
    k, v = ((np.einsum("bte,enk->bntk", x, weights[i]) + weights[i + 1][:, None]).repeat(2, 1) for i in (2, 4))
    scores = softmax(q @ k.transpose(0, 1, 3, 2) / np.sqrt(5))
    expected = np.einsum("bntk,nke->bte", scores @ v, weights[6]) + weights[7]
    config = {"head_dim": 5, "num_query_heads": 4, "num_key_value_heads": 2}
    close(run_layer("GroupQueryAttention", config, x, x, weights=weights, version="3.6.0"), expected, 1e-5)


@both_forms
def test_cudnn_layers_of_old_files(form: str) -> None:
    x, w = normal(2, 4, 3), weights_of("GRU", 3, 4)
    close(
        run_form(form, "CuDNNGRU", {"units": 4}, x, weights=[*w[:2], w[2].ravel()]), loop("GRU", x, w)[0][:, -1], 1e-5
    )
    w, more = weights_of("LSTM", 3, 4), normal(16)
    result = run_form(form, "CuDNNLSTM", {"units": 4}, x, weights=[*w[:2], np.concatenate([w[2] - more, more])])
    close(result, loop("LSTM", x, w)[0][:, -1], 1e-5)


def test_layers_without_ops_say_what_to_do() -> None:
    with pytest.raises(
        UnsupportedOpError, match="'model/layer' is a HashedCrossing, which is not supported: it works on strings"
    ):
        run_layer("HashedCrossing", {}, normal(1, 2))
