"""The program cache on disk: what is kept, what is refused, who may write at once, how it is turned off."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tfgl import engine as engines
from tfgl.engine import Engine
from tfgl.flags import Flags, flags
from tfgl.gl.cache import ProgramFiles, cache_directory, cache_info, clear_cache
from tfgl.gl.device import open_device
from tfgl.registry import run_kernel
from tfgl.tensor import Tensor

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("runtime", "shaders", "converter")),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program cache of its own."""
    monkeypatch.setenv("TFGL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "programs").glob("*/*"))


# -- files ------------------------------------------------------------------


def test_what_was_stored_comes_back(folder: Path) -> None:
    files = ProgramFiles("driver 1")
    assert files.load("shader") is None
    files.store("shader", 7, b"binary")
    assert files.load("shader") == (7, b"binary")
    assert files.load("another shader") is None
    assert ProgramFiles("driver 2").load("shader") is None, "another driver's binary is of no use"
    (entry,) = entries(folder)
    assert entry.suffix == ".bin"


@pytest.mark.parametrize("damage", ["empty", "short", "cut", "flipped", "foreign", "longer"])
def test_a_damaged_entry_is_ignored_and_rewritten(folder: Path, damage: str) -> None:
    files = ProgramFiles("driver")
    files.store("shader", 7, b"binary" * 100)
    (entry,) = entries(folder)
    data = entry.read_bytes()
    middle = len(data) // 2
    entry.write_bytes(
        {
            "empty": b"",
            "short": data[:10],
            "cut": data[:-1],
            "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "foreign": b"\x7fELF" + data[4:],
            "longer": data + b"x",
        }[damage]
    )
    assert files.load("shader") is None
    files.store("shader", 7, b"binary" * 100)
    assert files.load("shader") == (7, b"binary" * 100)
    assert entries(folder) == [entry]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    files = ProgramFiles("driver", tmp_path / "file")
    files.store("shader", 7, b"binary")
    assert files.load("shader") is None
    assert cache_info(tmp_path / "file").programs == 0
    assert clear_cache(tmp_path / "file").programs == 0


def _write_and_read(directory: str, number: int) -> int:
    """Store and load the same shaders as all others do; how often something else came back than was stored."""
    files = ProgramFiles("driver", Path(directory))
    wrong = 0
    for turn in range(60):
        text = f"shader {turn % 5}"
        files.store(text, 1, text.encode() * 5000)
        found = files.load(text)
        wrong += found is not None and found != (1, text.encode() * 5000)
        if number == 0 and turn % 20 == 10:
            clear_cache(Path(directory))
    return wrong


def test_processes_that_write_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.starmap(_write_and_read, [(str(tmp_path), number) for number in range(3)]) == [0, 0, 0]
    files = ProgramFiles("driver", tmp_path)
    assert all(files.load(f"shader {n}") == (1, f"shader {n}".encode() * 5000) for n in range(5))
    assert all(path.suffix == ".bin" for path in entries(tmp_path)), "no half-written file is left"


def test_clear_deletes_programs_and_nothing_else(tmp_path: Path) -> None:
    files = ProgramFiles("driver", tmp_path)
    files.store("a", 1, b"123")
    files.store("b", 1, b"123")
    (tmp_path / "programs" / "00").mkdir(exist_ok=True)
    (tmp_path / "programs" / "00" / "crashed.part").write_bytes(b"half")
    (tmp_path / "mine.txt").write_text("keep")
    info = cache_info(tmp_path)
    assert info.programs == 2
    assert clear_cache(tmp_path) == info
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert cache_info(tmp_path).programs == 0


# -- where, and whether -----------------------------------------------------


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TFGL_CACHE_DIR", str(tmp_path / "here"))
    assert cache_directory() == tmp_path / "here"
    monkeypatch.setenv("TFGL_CACHE_DIR", "~/programs")
    assert cache_directory() == Path.home() / "programs"
    monkeypatch.delenv("TFGL_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache_directory() == tmp_path / "tfgl"


@pytest.mark.parametrize("value", ["0", "off", "FALSE", "no", "1", ""])
def test_the_switch(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TFGL_CACHE", value)
    assert Flags().program_cache is (value in ("1", ""))


# -- with a driver ----------------------------------------------------------


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    """A fresh engine over the cache of its own."""
    yield from _engine(True)


def _engine(cached: bool) -> Iterator[Engine]:
    settings = Flags(gl_version=flags.gl_version, program_cache=cached)
    made = Engine(open_device(settings), settings)
    before = engines.use(made)
    yield made
    engines.use(before)
    made.close()


def negate(engine: Engine) -> bool:
    """Negate something; whether every program of ``engine`` came from the disk."""
    y = run_kernel("Neg", {"x": engine.tensor(np.arange(100, dtype=np.float32))})
    assert isinstance(y, Tensor)
    np.testing.assert_array_equal(y.numpy(), -np.arange(100))
    assert engine.device.gl.GetError() == 0
    return all(program.from_disk for program in engine.programs.programs.values())


def fresh(cached: bool = True) -> bool:
    """`negate` on an engine that has compiled nothing yet."""
    (result,) = [negate(engine) for engine in _engine(cached)]
    return result


def test_a_second_engine_links_from_disk(engine: Engine, folder: Path) -> None:
    if not engine.device.info.program_binary_formats:
        pytest.skip("this driver gives no program binaries")
    assert not negate(engine)
    assert len(entries(folder)) == len(engine.programs.programs)
    assert fresh()


def test_turned_off_it_neither_reads_nor_writes(folder: Path) -> None:
    assert not fresh(cached=False)
    assert not folder.exists()
    fresh()
    assert not fresh(cached=False)


def test_a_binary_that_the_driver_refuses_is_compiled_anew(engine: Engine, folder: Path) -> None:
    """An entry that is whole, but is no program of this driver: as after an update that kept its version."""
    if not engine.device.info.program_binary_formats:
        pytest.skip("this driver gives no program binaries")
    negate(engine)
    files = ProgramFiles(engine.device.info.identity)
    whole = {path: path.read_bytes() for path in entries(folder)}
    for path, data in whole.items():
        # Rewrite each entry with a valid header over nonsense.
        binary_format = int.from_bytes(data[8:12], "little")
        files._path = lambda text, path=path: path  # type: ignore[method-assign, misc]
        files.store("", binary_format, b"nonsense" * 64)
        assert path.read_bytes() != data
    assert not fresh()
    assert fresh(), "what was compiled anew was not stored"


def test_corrupted_files_are_compiled_anew(engine: Engine, folder: Path) -> None:
    if not engine.device.info.program_binary_formats:
        pytest.skip("this driver gives no program binaries")
    negate(engine)
    for path in entries(folder):
        path.write_bytes(path.read_bytes()[:-3])
    assert not fresh()
    assert fresh()


def test_the_environment_turns_it_off(tmp_path: Path) -> None:
    script = """
import numpy, tfgl
tfgl.run_kernel("Neg", {"x": tfgl.tensor(numpy.ones(9, numpy.float32))}).numpy()
"""
    for value, kept in (("0", False), ("1", True)):
        directory = tmp_path / value
        environment = {**ENVIRONMENT, "TFGL_CACHE": value, "TFGL_CACHE_DIR": str(directory)}
        subprocess.run([sys.executable, "-c", script], env=environment, check=True)
        assert (cache_info(directory).programs > 0) == kept


def test_two_processes_that_compile_at_once(tmp_path: Path) -> None:
    script = """
import numpy, tfgl
x = tfgl.tensor(numpy.ones(9, numpy.float32))
for kernel in ("Neg", "Square", "Relu", "Abs"):
    tfgl.run_kernel(kernel, {"x": x}).numpy()
"""
    environment = {**ENVIRONMENT, "TFGL_CACHE": "1", "TFGL_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    children = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for child in children:
        _, said = child.communicate(timeout=120)
        assert child.returncode == 0, said
    assert all(path.suffix == ".bin" for path in entries(tmp_path))
