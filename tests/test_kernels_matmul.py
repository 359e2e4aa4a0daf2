"""BatchMatMul, _FusedMatMul and Einsum against the float64 reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from linear_kernels import Row, check, compare, result_of
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.registry import run_kernel


def _matmul(a: tuple[int, ...], b: tuple[int, ...], ta: bool = False, tb: bool = False, dtype: str = "float32") -> Row:
    return Row("BatchMatMul", {"a": a, "b": b}, {"transposeA": ta, "transposeB": tb}, dtype, ("b",))


PRODUCTS = [
    # As they lie.
    _matmul((1, 1), (1, 1)),
    _matmul((3, 4), (4, 5)),
    _matmul((4, 3), (5, 4), True, True),
    _matmul((2, 3, 4), (1, 5, 4), False, True),
    _matmul((2, 1, 3, 4), (1, 3, 4, 5)),
    _matmul((2, 1, 2, 1, 3, 4), (1, 3, 1, 2, 4, 5)),
    # Few rows: partial sums.
    _matmul((1, 1280), (1280, 101)),
    _matmul((3, 1281), (1281, 100)),
    _matmul((1281, 3), (100, 1281), True, True),
    _matmul((5, 4, 1000), (5, 1000, 30)),
    # Many rows: tiles.
    _matmul((64, 128), (128, 64)),
    _matmul((100, 65), (65, 33)),
    _matmul((65, 100), (33, 65), True, True),
    _matmul((4, 30, 64), (64, 64)),
    _matmul((2, 1, 50, 64), (1, 3, 64, 30)),
    _matmul((3, 37, 64), (3, 37, 64), False, True),
    _matmul((3, 37, 64), (1, 37, 50), True),
    _matmul((8200, 4), (4, 3)),
    # Empty ones.
    _matmul((0, 4), (4, 5)),
    _matmul((3, 0), (0, 5)),
    _matmul((0, 3, 4), (1, 4, 5)),
    # int32 wraps.
    _matmul((3, 4), (4, 5), dtype="int32"),
    _matmul((64, 65), (65, 33), dtype="int32"),
    _matmul((2, 700), (700, 33), dtype="int32"),
]


@pytest.mark.parametrize("row", PRODUCTS, ids=str)
def test_products(gpu: Engine, row: Row) -> None:
    check(gpu, row)


@pytest.mark.parametrize("extents", [(3, 4, 5), (2, 600, 30), (37, 64, 30)], ids=str)
@pytest.mark.parametrize("bias", ["scalar", "vector", "full"])
@pytest.mark.parametrize("activation", ["linear", "relu", "relu6", "prelu", "leakyrelu"])
def test_fused(gpu: Engine, extents: tuple[int, int, int], bias: str, activation: str) -> None:
    m, k, n = extents
    shapes = {"a": (m, k), "b": (k, n), "bias": {"scalar": (), "vector": (n,), "full": (m, n)}[bias]}
    attrs = {"transposeA": False, "transposeB": False, "activation": activation}
    if activation == "prelu":
        shapes["preluActivationWeights"] = {"scalar": (1,), "vector": (1, n), "full": (m, n)}[bias]
    if activation == "leakyrelu":
        attrs["leakyreluAlpha"] = 0.3
    check(gpu, Row("_FusedMatMul", shapes, attrs, weights=("b", "bias")))


@pytest.mark.parametrize("activation", ["elu", "sigmoid"])
def test_fused_functions(gpu: Engine, activation: str) -> None:
    attrs = {"transposeA": False, "transposeB": False, "activation": activation}
    check(gpu, Row("_FusedMatMul", {"a": (9, 16), "b": (16, 300), "bias": (300,)}, attrs))


@pytest.mark.parametrize("rows", [1, 16])
def test_long_sums_stay_accurate(gpu: Engine, rows: int) -> None:
    rng = np.random.default_rng(0)
    a = rng.uniform(size=(rows, 20000)).astype(np.float32)
    b = rng.uniform(size=(20000, 8)).astype(np.float32)
    got = result_of(run_kernel("BatchMatMul", {"a": gpu.tensor(a), "b": gpu.tensor(b)}, {}))
    want = a.astype(np.float64) @ b.astype(np.float64)
    assert np.max(np.abs(got / want - 1)) < 1e-6


@pytest.mark.parametrize("shape", [(3, 5), (2, 900), (37, 64)], ids=str)
def test_not_a_number_stays_in_its_row(gpu: Engine, shape: tuple[int, int]) -> None:
    a = np.ones(shape, np.float32)
    a[1, 2], a[0, 1] = np.nan, np.inf
    b = np.ones((shape[1], 45), np.float32)
    row = Row("_FusedMatMul", {}, {"activation": "relu"})
    got = compare(gpu, row, {"a": a, "b": b})
    assert np.isnan(got[1]).all() and np.isposinf(got[0]).all()
    a[0, 1] = -np.inf
    assert not compare(gpu, row, {"a": a, "b": b})[0].any()


@pytest.mark.parametrize("rows", [3, 20])
def test_a_batch_over_the_limit_is_split(gpu: Engine, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(gpu.device, "info", replace(gpu.device.info, max_texture_size=70))
    check(gpu, _matmul((3, 5, rows, 65), (3, 5, 30, 65), False, True))
    check(gpu, _matmul((15, 65, rows), (15, 30, 65), True, True))
    check(gpu, _matmul((2, 1, rows, 65), (1, 20, 65, 30)))


def test_a_weight_is_packed_once(gpu: Engine) -> None:
    weight = gpu.tensor(np.ones((65, 33), np.float32))
    weight.persistent = True
    a = gpu.tensor(np.ones((40, 65), np.float32))
    result_of(run_kernel("BatchMatMul", {"a": a, "b": weight}, {}))
    before = gpu.draw_count
    result_of(run_kernel("BatchMatMul", {"a": a, "b": weight}, {}))
    assert gpu.draw_count - before == 3  # into tiles, the product, back to the flat layout


WRONG = [
    ({"a": (3, 4), "b": (3, 4)}, {}, "inner shapes"),
    ({"a": (4,), "b": (4, 3)}, {}, "rank"),
    ({"a": (2, 3, 4), "b": (3, 4, 5)}, {}, "broadcast"),
    ({"a": (3, 4), "b": (4, 5)}, {"activation": "mish"}, "mish"),
    ({"a": (3, 4), "b": (4, 5)}, {"activation": "prelu"}, "preluActivationWeights"),
]


@pytest.mark.parametrize(("shapes", "attrs", "text"), WRONG, ids=[text for _, _, text in WRONG])
def test_wrong_arguments(gpu: Engine, shapes: dict[str, tuple[int, ...]], attrs: dict[str, str], text: str) -> None:
    tensors = {name: gpu.tensor(np.zeros(shape, np.float32)) for name, shape in shapes.items()}
    with pytest.raises(InvalidArgumentError, match=text):
        run_kernel("_FusedMatMul", tensors, attrs)


def test_mixed_dtypes_are_refused(gpu: Engine) -> None:
    a, b = gpu.tensor(np.zeros((2, 2), np.float32)), gpu.tensor(np.zeros((2, 2), np.int32))
    with pytest.raises(InvalidArgumentError, match="int32"):
        run_kernel("BatchMatMul", {"a": a, "b": b}, {})


EINSUMS = [
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("ij,jk->ki", (3, 4), (4, 5)),
    ("i,j->ij", (3,), (5,)),
    ("i,i->", (7,), (7,)),
    ("i,i->i", (7,), (7,)),
    ("ij->ji", (3, 4)),
    ("ij->", (3, 4)),
    ("ij->j", (3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bhid,bhjd->bhij", (2, 3, 5, 4), (2, 3, 6, 4)),
    ("abc,cde->abde", (2, 3, 4), (4, 5, 2)),
    ("abc,abd->dc", (2, 3, 4), (2, 3, 5)),
    ("abc,bad->cd", (2, 3, 4), (3, 2, 5)),
    ("ab,cd->abcd", (2, 3), (4, 5)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 5)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (3, 4, 5)),
    ("...ij->...ji", (2, 3, 4, 5)),
    ("i...,i...->...", (3, 2, 1), (3, 5)),
    (",->", (), ()),
]


@pytest.mark.parametrize("case", EINSUMS, ids=str)
def test_einsum(gpu: Engine, case: tuple[str, tuple[int, ...]]) -> None:
    equation, *shapes = case
    arrays = [np.random.default_rng(k).normal(size=shape).astype(np.float32) for k, shape in enumerate(shapes)]
    tensors = [gpu.tensor(array) for array in arrays]
    got = result_of(run_kernel("Einsum", {"tensors": tensors}, {"equation": equation}))
    np.testing.assert_allclose(got, np.einsum(equation, *(a.astype(np.float64) for a in arrays)), rtol=1e-5, atol=1e-5)


def test_einsum_refuses_what_does_not_fit(gpu: Engine) -> None:
    tensors = [gpu.tensor(np.zeros((2, 3), np.float32)), gpu.tensor(np.zeros((4, 2), np.float32))]
    with pytest.raises(InvalidArgumentError, match="Expected dimension"):
        run_kernel("Einsum", {"tensors": tensors}, {"equation": "ij,jk->ik"})
    with pytest.raises(InvalidArgumentError, match="duplicate axes"):
        run_kernel("Einsum", {"tensors": [gpu.tensor(np.eye(3, dtype=np.float32))]}, {"equation": "ii->i"})
    with pytest.raises(InvalidArgumentError, match="more than 2"):
        run_kernel("Einsum", {"tensors": [*tensors, tensors[0]]}, {"equation": "ij,ki,ij->k"})
