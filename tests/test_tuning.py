"""Choices of a device: where they come from, how they are measured, where they are kept. Measurements are injected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from tfgl import engine, run_kernel, tuning
from tfgl.engine import Engine
from tfgl.flags import Flags
from tfgl.gl.cache import cache_info, clear_cache
from tfgl.gl.choices import Choices, TunedChoices, by_facts, decide, fits, tuning_key
from tfgl.gl.device import DeviceInfo, open_device

GPU = DeviceInfo("egl", "a vendor", "a GPU", "4.6", 460, False, 16384, 2048, 8, 32, 8, 1, True, True)
SOFTWARE = replace(GPU, renderer="llvmpipe", software=True)
OLD = replace(GPU, version_code=330, fragment_images=0, max_image_units=0, max_draw_buffers=5)
TUNED = Choices("sampler", 4, 11, False, (16, 2))


def test_facts_of_the_driver() -> None:
    assert by_facts(GPU) == Choices("image", 8, 10, False, (8, 8))
    assert by_facts(SOFTWARE) == Choices("image", 8, 10, True, (8, 1))
    assert (by_facts(OLD).accessor, by_facts(OLD).layers) == ("sampler", 4)


def test_flags_win_over_measurements_and_these_over_facts(tmp_path: Path) -> None:
    flags = Flags(program_cache=True)
    assert decide(GPU, flags, tmp_path) == (by_facts(GPU), dict.fromkeys(asdict(TUNED), "driver"))
    TunedChoices(tmp_path).store(tuning_key(GPU), TUNED)
    assert decide(GPU, flags, tmp_path) == (TUNED, dict.fromkeys(asdict(TUNED), "measured"))
    choices, origins = decide(GPU, replace(flags, accessor="image", workgroup=(4, 4)), tmp_path)
    assert choices == replace(TUNED, accessor="image", workgroup=(4, 4))
    assert (origins["accessor"], origins["workgroup"], origins["layers"]) == ("flag", "flag", "measured")
    assert decide(GPU, replace(flags, program_cache=False), tmp_path)[0] == by_facts(GPU)
    assert decide(SOFTWARE, flags, tmp_path)[0] == by_facts(SOFTWARE), "another device's choices"


def test_choices_that_the_device_cannot_follow_count_as_absent(tmp_path: Path) -> None:
    TunedChoices(tmp_path).store(tuning_key(OLD), replace(TUNED, accessor="image"))
    assert decide(OLD, Flags(program_cache=True), tmp_path)[0] == by_facts(OLD)
    assert not fits(replace(TUNED, layers=8), OLD) and not fits(TUNED, replace(GPU, max_texture_size=1024))


@pytest.mark.parametrize(
    "changed",
    [{"accessor": "buffer"}, {"layers": 3}, {"layers": True}, {"width_log2": 40}, {"astride": 1}, {"workgroup": [8]},
     {"workgroup": [64, 64]}, {"workgroup": [8, "1"]}, {"another": 1}, {"layers": None}],
)  # fmt: skip
def test_other_contents_count_as_absent(changed: dict[str, object], tmp_path: Path) -> None:
    kept = TunedChoices(tmp_path)
    kept._files.store("device", json.dumps({**asdict(TUNED), **changed}).encode())
    assert kept.load("device") is None


def test_damaged_files_count_as_absent(tmp_path: Path) -> None:
    kept = TunedChoices(tmp_path)
    kept.store("device", TUNED)
    assert kept.load("device") == TUNED
    (path,) = tmp_path.glob("devices/*.json")
    path.write_bytes(path.read_bytes()[:-3])
    assert kept.load("device") is None
    kept._files.store("device", b"[" * 100_000)
    assert kept.load("device") is None
    assert cache_info(tmp_path).devices == 1
    clear_cache(tmp_path)
    assert cache_info(tmp_path).devices == 0 and not list(tmp_path.iterdir())


def test_each_question_is_put_with_the_answers_to_the_earlier_ones() -> None:
    asked: list[tuple[str, list[Choices]]] = []

    def measure(dispatch: str, candidates: Sequence[Choices]) -> list[float]:
        asked.append((dispatch, list(candidates)))
        return [
            100.0 - 30 * (c.accessor == "sampler") - 20 * (c.layers == 4) - 6 * (c.width_log2 == 11)
            - 15 * (c.workgroup == (16, 1)) for c in candidates
        ]  # fmt: skip

    choices, trials = tuning.tune(GPU, measure)
    # 6 of 50 is a gain; what is not faster keeps what the driver's facts gave.
    assert choices == Choices("sampler", 4, 11, False, (16, 1))
    assert [dispatch for dispatch, _ in asked] == ["fragment"] * 4 + ["compute"]
    assert all(c.accessor == "sampler" for _, candidates in asked[1:4] for c in candidates)
    assert [t.candidate for t in trials if t.chosen] == ["sampler", "4", "no", "11", "16x1"]


def test_a_gain_within_the_noise_changes_nothing() -> None:
    choices, _ = tuning.tune(SOFTWARE, lambda _, candidates: [100.0, *[97.0] * (len(candidates) - 1)])
    assert choices == by_facts(SOFTWARE)


def test_an_old_driver_is_asked_only_what_it_can_answer() -> None:
    _, trials = tuning.tune(OLD, lambda _, candidates: [1.0] * len(candidates))
    assert {t.choice for t in trials} == {"layers", "astride", "width_log2"}
    assert [t.candidate for t in trials if t.choice == "layers"] == ["4", "2"]


@pytest.mark.parametrize("layers, width_log2", [(4, 11), (2, 9), (1, 12)])
def test_results_do_not_depend_on_choices(layers: int, width_log2: int) -> None:
    choices = Choices("sampler", layers, width_log2, True, (8, 1))
    flags = Flags()
    device = open_device(flags, choices)
    made = Engine(device, flags)
    before = engine.use(made)
    random = np.random.default_rng(5)
    x, w = random.normal(size=(1, 9, 7, 6)), random.normal(size=(1, 1, 6, 5))
    try:
        inputs = {"x": made.tensor(x.astype(np.float32)), "filter": made.tensor(w.astype(np.float32))}
        got = run_kernel("Conv2D", inputs, {"strides": [1, 1], "pad": "same", "dilations": [1, 1]})
        np.testing.assert_allclose(np.asarray(got), x @ w[0, 0], rtol=1e-4, atol=1e-5)
        long = np.arange(70_001, dtype=np.int32)
        doubled = run_kernel("Add", {"a": made.tensor(long), "b": made.tensor(long)})
        np.testing.assert_array_equal(np.asarray(doubled), 2 * long)
        assert device.gl.GetError() == 0
    finally:
        engine.use(before)
        made.close()


def test_what_is_measured_is_kept_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def four_rows_are_faster(flags: Flags, dispatch: str, candidates: Sequence[Choices]) -> list[float]:
        return [100.0 - (choices.layers == 4) * 50 for choices in candidates]

    monkeypatch.setattr(tuning, "_measure", four_rows_are_faster)
    flags = Flags(program_cache=True)
    try:
        choices, _ = tuning.tune_device(flags)
        device = open_device(flags)
        assert choices.layers == device.layers == 4 and set(device.origins.values()) == {"measured"}
        device.close()
    finally:
        clear_cache()
    device = open_device(flags)
    assert set(device.origins.values()) == {"driver"}
    device.close()
