"""The device: threads, limits, what opens it and what does not, and what the doctor makes of drivers."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfgl import engine as engines
from tfgl.engine import Engine
from tfgl.errors import (
    ContextLostError,
    InvalidArgumentError,
    NoDeviceError,
    TensorTooLargeError,
    TfglError,
    WrongThreadError,
)
from tfgl.flags import Flags
from tfgl.gl import probe
from tfgl.gl.device import open_device
from tfgl.registry import run_kernel
from tfgl.tensor import Tensor

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("runtime", "shaders", "converter")),
}


def on_another_thread(function: Callable[[], Any]) -> Any:
    """What ``function`` returns or raises on a thread of its own."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(function())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert found, "the thread hangs"
    return found[0]


def one(result: Tensor | list[Tensor]) -> Tensor:
    assert isinstance(result, Tensor)
    return result


# -- threads ----------------------------------------------------------------


def test_an_engine_of_another_thread_is_refused(gpu: Engine) -> None:
    values = np.arange(1000, dtype=np.float32)
    x = gpu.tensor(values)
    y = one(run_kernel("Neg", {"x": x}))

    def use() -> object:
        engines.use(gpu)
        try:
            return run_kernel("Neg", {"x": y})
        finally:
            engines.use(None)

    for misuse in (use, y.numpy, lambda: gpu.tensor([1.0]), gpu.device.check):
        error = on_another_thread(misuse)
        assert isinstance(error, WrongThreadError), error
        assert "thread" in str(error) and "tfgl.engine.use" in str(error)
    np.testing.assert_array_equal(y.numpy(), -values)


def test_each_thread_has_its_own_engine(gpu: Engine) -> None:
    def elsewhere() -> tuple[bool, list[float]]:
        own = engines.current()
        try:
            y = one(run_kernel("Neg", {"x": own.tensor([1.0, 2.0])}))
            return own is gpu, y.numpy().tolist()
        finally:
            engines.use(None)
            own.close()

    assert on_another_thread(elsewhere) == (False, [-1.0, -2.0])
    # Opening another context must not leave this thread without its own.
    assert one(run_kernel("Neg", {"x": gpu.tensor([3.0])})).numpy().tolist() == [-3.0]


def test_two_engines_on_one_thread(gpu: Engine) -> None:
    other = Engine(open_device(gpu.flags), gpu.flags)
    try:
        x, y = gpu.tensor(np.ones(500, np.float32)), other.tensor(np.full(500, 2, np.float32))
        engines.use(other)
        twice = one(run_kernel("Add", {"a": y, "b": y}))
        engines.use(gpu)
        negated = one(run_kernel("Neg", {"x": x}))
        assert twice.numpy()[0] == 4 and negated.numpy()[0] == -1
        del y, twice
    finally:
        engines.use(gpu)
        other.close()


@pytest.mark.parametrize("how", ["collected", "disposed"])
def test_a_tensor_let_go_on_another_thread_is_queued(gpu: Engine, how: str) -> None:
    box = [one(run_kernel("Neg", {"x": gpu.tensor(np.ones(777, np.float32))}))]
    gpu.collect_dead()
    live = gpu.pool.live_textures

    def let_go() -> None:
        tensor = box.pop()
        if how == "disposed":
            tensor.dispose()
        del tensor
        gc.collect()

    assert on_another_thread(let_go) is None
    assert gpu.pool.live_textures == live, "another thread must not touch the pool"
    y = run_kernel("Neg", {"x": gpu.tensor([1.0])})  # the next draw collects it
    gpu.collect_dead()
    assert y is not None
    del y
    gc.collect()
    assert gpu.pool.live_textures < live


# -- limits -----------------------------------------------------------------


def test_a_tensor_over_the_limit_is_named(gpu: Engine) -> None:
    limit = gpu.device.info.max_texture_size * 1024 * 4
    with pytest.raises(TensorTooLargeError) as caught:
        gpu.device.flat_shape(limit + 1, "float")
    for part in (str(limit + 1), str((limit + 1) * 4), str(limit * 4), gpu.device.info.renderer, "smaller batch"):
        assert part in str(caught.value)


def test_the_node_of_a_tensor_over_the_limit_is_named(gpu: Engine) -> None:
    side = gpu.device.info.max_texture_size * 8
    with pytest.raises(TensorTooLargeError, match=r"^Tile: a tensor of "):
        run_kernel("Tile", {"x": gpu.tensor([[1.0]])}, {"reps": [side, 1024]})
    gpu.node = "node 'huge' (op Tile)"
    try:
        with pytest.raises(TensorTooLargeError, match=r"^node 'huge' \(op Tile\): a tensor of "):
            run_kernel("Tile", {"x": gpu.tensor([[1.0]])}, {"reps": [side, 1024]})
    finally:
        gpu.node = ""


def test_the_largest_texture_is_no_error(gpu: Engine) -> None:
    limit = gpu.device.info.max_texture_size * 1024 * 4
    shape = gpu.device.flat_shape(limit, "float")
    assert shape.width * shape.height * 4 == limit


# -- opening and closing ----------------------------------------------------


def test_a_closed_context_says_so(gpu: Engine) -> None:
    other = Engine(open_device(gpu.flags), gpu.flags)
    engines.use(other)
    try:
        y = one(run_kernel("Neg", {"x": other.tensor(np.ones(500, np.float32))}))
        other.close()
        with pytest.raises(ContextLostError, match="closed"):
            y.numpy()
        with pytest.raises(ContextLostError, match="closed"):
            run_kernel("Neg", {"x": y})
        other.close()  # twice is no error
        del y
        gc.collect()
    finally:
        engines.use(gpu)


def test_no_device_lists_what_was_tried() -> None:
    with pytest.raises(NoDeviceError) as caught:
        open_device(Flags(backend="egl", device_index=99))
    for part in ("egl:", "99", "apt-get install", "tfgl doctor"):
        assert part in str(caught.value)


def test_no_back_end_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(backend: str, index: int | None = None) -> None:
        raise RuntimeError(f"no {backend} here")

    monkeypatch.setattr("tfgl.gl.device.create_context", refuse)
    with pytest.raises(NoDeviceError, match=r"egl: no egl here; glfw: no glfw here"):
        open_device(Flags())


def test_gl_33_takes_samplers() -> None:
    device = open_device(Flags(gl_version=330))
    try:
        assert (device.info.version_code, device.flavour, device.info.fragment_images) == (330, "sampler", 0)
        with pytest.raises(TfglError, match="image accessor"):
            open_device(Flags(gl_version=330, accessor="image"))
    finally:
        device.close()


def test_unknown_flag() -> None:
    with pytest.raises(InvalidArgumentError, match="unknown flag 'speed'"):
        Flags().set("speed", 11)


def test_importing_opens_no_context() -> None:
    script = """
import sys
import moderngl
def refuse(*_, **__): raise AssertionError("a context was opened")
moderngl.create_context = moderngl.create_standalone_context = refuse
import tfgl, tfgl.cli, tfgl.profile, tfgl.gl.probe, tfgl.graph.model, tfgl.ir.lowering
tfgl.kernel_names()
assert "glfw" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_loads_no_package_that_only_some_need() -> None:
    # What importing takes is measured in bench/bench_import.py; these are what would make it slow.
    slow = ["httpx", "rich", "click", "PIL", "h5py", "google.protobuf", "hashlib", "tempfile"]
    slow += ["tfgl.graph", "tfgl.kernels", "tfgl_converter"]
    # NumPy's own imports do not count.
    script = "import numpy, sys; before = set(sys.modules); import tfgl; print(*set(sys.modules) - before)"
    loaded = subprocess.check_output([sys.executable, "-c", script], env=ENVIRONMENT, text=True).split()
    assert [name for name in slow if name in loaded] == []


# -- the doctor -------------------------------------------------------------


def test_a_child_that_hangs() -> None:
    report, error = probe.ask("egl:0", {}, 0.5, command=[sys.executable, "-c", "import time; time.sleep(60)"])
    assert report is None
    assert error == "the driver did not answer within 0.5 s"


def test_a_child_that_crashes() -> None:
    report, error = probe.ask("egl:0", {}, command=[sys.executable, "-c", "import os; os.abort()"])
    assert report is None
    assert error == "the driver crashed (SIGABRT)"


def test_a_child_that_says_something_else() -> None:
    script = "import sys; print('libEGL warning'); sys.exit('cannot go on')"
    assert probe.ask("egl:0", {}, command=[sys.executable, "-c", script]) == (
        None, "the child exited with 1: cannot go on",
    )  # fmt: skip


def test_what_a_driver_prints_is_no_answer() -> None:
    script = """print('noise'); print('{"devices": 3}')"""
    assert probe.ask("egl", {}, command=[sys.executable, "-c", script]) == ({"devices": 3}, None)


NOTHING = probe.Surroundings(
    platform="linux", container=False, egl_library="libEGL.so.1", gl_library="libGL.so.1", dri_devices=(),
    dri_readable=False, nvidia_device=False, nvidia_capabilities=None, nvidia_egl=False, display=False,
)  # fmt: skip
FAILS = probe.Attempt("egl:0", False, "no")
SOFTWARE = probe.Attempt("egl:0", True, report={"software": True})
GPU = probe.Attempt("egl:0", True, report={"software": False})


@pytest.mark.parametrize(
    "attempt, changed, expected",
    [
        (GPU, {}, []),
        (FAILS, {"egl_library": None}, ["no EGL library", "no /dev/dri"]),
        (FAILS, {"gl_library": None}, ["no OpenGL library", "no /dev/dri"]),
        (FAILS, {}, ["no driver behind it", "no /dev/dri"]),
        (FAILS, {"container": True}, ["no driver behind it", "--device /dev/dri"]),
        (SOFTWARE, {}, ["no /dev/dri", "only a software driver"]),
        (SOFTWARE, {"dri_devices": ("renderD128",)}, ["groups render and video", "only a software driver"]),
        (SOFTWARE, {"dri_devices": ("renderD128",), "dri_readable": True}, ["only a software driver"]),
        (
            FAILS,
            {"nvidia_device": True, "container": True, "nvidia_capabilities": "compute,utility"},
            ["no driver behind it", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"],
        ),
        (
            SOFTWARE,
            {"nvidia_device": True, "container": True, "nvidia_capabilities": "all"},
            ["libEGL_nvidia.so.0", "only a software driver"],
        ),
        (SOFTWARE, {"nvidia_device": True, "nvidia_egl": True}, ["no device opened", "only a software driver"]),
        (FAILS, {"platform": "darwin", "egl_library": None}, []),
    ],
)
def test_hints(attempt: probe.Attempt, changed: dict[str, Any], expected: list[str]) -> None:
    from dataclasses import replace

    found = probe.hints([attempt], replace(NOTHING, **changed), "egl:0" if attempt.works else None)
    assert len(found) == len(expected), found
    assert all(part in hint for part, hint in zip(expected, found, strict=True)), found


def test_a_better_device_than_the_chosen_one_is_named() -> None:
    second = probe.Attempt("egl:1", True, report={"software": False})
    for first, chosen in ((SOFTWARE, "egl:0"), (FAILS, None)):
        (hint,) = probe.hints([first, second], NOTHING, chosen)
        assert "--device egl:1" in hint
    assert probe.hints([GPU, second], NOTHING, "egl:0") == []


def test_surroundings(tmp_path: Path) -> None:
    bare = probe.look_around(tmp_path, {})
    assert (bare.container, bare.dri_devices, bare.nvidia_device, bare.display) == (False, (), False, False)
    (tmp_path / "dev" / "dri").mkdir(parents=True)
    (tmp_path / "dev" / "dri" / "renderD128").write_text("")
    (tmp_path / "dev" / "nvidiactl").write_text("")
    (tmp_path / ".dockerenv").write_text("")
    found = probe.look_around(tmp_path, {"NVIDIA_DRIVER_CAPABILITIES": "compute", "DISPLAY": ":0"})
    assert (found.container, found.dri_devices, found.dri_readable) == (True, ("renderD128",), True)
    assert (found.nvidia_device, found.nvidia_capabilities, found.display) == (True, "compute", True)
    assert probe.look_around(tmp_path / "none", {"container": "podman"}).container


def test_caches_of_drivers(tmp_path: Path) -> None:
    folder = tmp_path / "mesa_shader_cache" / "a"
    folder.mkdir(parents=True)
    (folder / "b").write_bytes(b"123")
    found = probe.cache_folders({"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)})
    assert [cache.owner for cache in found] == ["tfgl", "Mesa"]
    assert (found[1].directory, found[1].bytes, found[1].enabled) == (str(folder.parent), 3, True)
    off = {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "MESA_SHADER_CACHE_DISABLE": "true"}
    assert not probe.cache_folders(off)[1].enabled
