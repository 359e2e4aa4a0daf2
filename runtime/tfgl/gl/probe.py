"""What this machine can do: every device tried in a process of its own, the surroundings, hints.

A driver may crash or hang while it opens a device. Each device is therefore
opened by a child process with a time limit; the caller only reads what the
child printed.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..engine import Engine
    from ..flags import Flags
    from .device import Device

TIME_LIMIT_S = 60.0
_MOST_DEVICES = 16
_CHILDREN_AT_ONCE = 2
_CHOICE = "choice"

# The parent's sys.path comes as an argument, so that the child finds the same tfgl and nothing in the
# current folder; -I keeps the environment from adding to it.
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from tfgl.gl import probe; probe.answer(sys.argv[2], json.loads(sys.argv[3]))"
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One device or back end: its report, or why there is none."""

    device: str
    works: bool
    error: str | None = None
    seconds: float = 0.0
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a missing driver is explained by."""

    platform: str
    container: bool
    egl_library: str | None
    gl_library: str | None
    dri_devices: tuple[str, ...]
    dri_readable: bool
    nvidia_device: bool
    nvidia_capabilities: str | None
    nvidia_egl: bool
    display: bool


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """A folder in which we or a driver keep compiled programs."""

    owner: str
    directory: str
    bytes: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """All that ``tfgl doctor`` prints."""

    attempts: tuple[Attempt, ...]
    chosen: str | None
    surroundings: Surroundings
    caches: tuple[CacheFolder, ...]
    hints: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain dicts and lists, for JSON."""
        return asdict(self)


def probe(
    device: str = "auto", gl_version: int | None = None, *, time_limit_s: float = TIME_LIMIT_S
) -> Probe:
    """Try every device and back end, or just the ``device`` asked for (``egl:1``, ``glfw``).

    ``chosen`` is the one that `open_device` takes, found by letting it choose.
    Never raises for a driver's sake, and takes at most a few times ``time_limit_s``.
    """
    surroundings = look_around()
    if device in ("auto", "egl"):
        found, error = _count_egl_devices(time_limit_s)
        names = [f"egl:{index}" for index in range(min(found, _MOST_DEVICES))]
        listing = [] if names else [Attempt("egl", False, error or "the EGL library lists no device")]
        wanted = [*names, "glfw"] if device == "auto" else names
    else:
        listing, wanted = [], [device]
    with ThreadPoolExecutor(_CHILDREN_AT_ONCE) as pool:
        opened = pool.submit(ask, _CHOICE, {"device": device, "gl_version": gl_version}, time_limit_s)
        tried = list(pool.map(lambda name: _attempt(name, gl_version, time_limit_s), wanted))
        attempts = (*listing, *tried)
        chosen = _match(opened.result()[0] or {}, attempts)
    return Probe(attempts, chosen, surroundings, cache_folders(), tuple(hints(attempts, surroundings, chosen)))


def _match(opened: Mapping[str, Any], attempts: Sequence[Attempt]) -> str | None:
    """The attempt that succeeded on the very device that was opened."""
    for attempt in attempts:
        same = all(attempt.report.get(key) == opened.get(key) for key in ("backend", "renderer", "version"))
        if attempt.works and same:
            return attempt.device
    return None


def _count_egl_devices(time_limit_s: float) -> tuple[int, str | None]:
    answered, error = ask("egl", {}, time_limit_s)
    return (0, error) if answered is None else (int(answered.get("devices", 0)), answered.get("error"))


def _attempt(device: str, gl_version: int | None, time_limit_s: float) -> Attempt:
    start = perf_counter()
    report, error = ask(device, {"gl_version": gl_version}, time_limit_s)
    seconds = round(perf_counter() - start, 3)
    if report is None:
        return Attempt(device, False, error, seconds)
    refused = report.pop("error", None)
    if refused is not None:
        return Attempt(device, False, refused, seconds)
    broken = [name for name in ("float32_render", "int32_render") if report.get(name) != "ok"]
    if broken:
        reasons = "; ".join(f"{name}: {report.get(name)}" for name in broken)
        return Attempt(device, False, f"the context opens, but {reasons}", seconds, report)
    return Attempt(device, True, None, seconds, report)


def ask(
    question: str,
    options: Mapping[str, Any],
    time_limit_s: float = TIME_LIMIT_S,
    *,
    command: Sequence[str] | None = None,
) -> tuple[dict[str, Any] | None, str | None]:
    """A child's answer, or None and what became of the child; ``command`` stands in for it in tests."""
    boot = [sys.executable, "-I", "-c", _BOOT, json.dumps(sys.path), question, json.dumps(dict(options))]
    try:
        done = subprocess.run(
            list(command or boot), stdin=subprocess.DEVNULL, capture_output=True, timeout=time_limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"the driver did not answer within {time_limit_s:g} s"
    except OSError as error:
        return None, f"no child process could be started: {error}"
    if done.returncode < 0:
        return None, f"the driver crashed ({_signal_name(-done.returncode)})"
    # Drivers print to stdout too; the answer is the last line.
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    try:
        answered = json.loads(lines[-1]) if lines else None
    except ValueError:
        answered = None
    if isinstance(answered, dict):
        return answered, None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return None, f"the child exited with {done.returncode}: {said[-1] if said else 'it said nothing'}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# -- in the child -----------------------------------------------------------


def answer(question: str, options: Mapping[str, Any]) -> None:
    """The child's side of `ask`: print one line of JSON and leave without running a driver's exit handlers."""
    try:
        if question == "egl":
            found = count_egl_devices()
        elif question == _CHOICE:
            found = choose(**options)
        else:
            found = examine(question, **options)
    except Exception as error:  # whatever a loader or driver raises is the answer
        found = {"error": " ".join(str(error).split()) or type(error).__name__}
    print(f"\n{json.dumps(found)}", flush=True)
    os._exit(0)


def count_egl_devices() -> dict[str, Any]:
    """``{"devices": n}``, or ``error`` when there is no EGL library or none that lists devices."""
    name = ctypes.util.find_library("EGL") or "libEGL.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        return {"devices": 0, "error": f"no EGL library: {error}"}
    library.eglGetProcAddress.restype = ctypes.c_void_p
    library.eglGetProcAddress.argtypes = [ctypes.c_char_p]
    address = library.eglGetProcAddress(b"eglQueryDevicesEXT")
    if not address:
        return {"devices": 0, "error": f"{name} has no eglQueryDevicesEXT, which opening a device takes"}
    query = ctypes.CFUNCTYPE(
        ctypes.c_uint, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int)
    )(address)
    count = ctypes.c_int(0)
    if not query(0, None, ctypes.byref(count)):
        return {"devices": 0, "error": f"{name} refuses to list devices (eglQueryDevicesEXT failed)"}
    return {"devices": count.value}


def _flags(device: str, gl_version: int | None) -> Flags:
    from ..flags import Flags

    backend, _, index = device.partition(":")
    made = Flags(gl_version=gl_version, program_cache=False)
    made.set("backend", backend)
    made.set("device_index", int(index) if index else None)
    return made


def choose(device: str = "auto", gl_version: int | None = None) -> dict[str, Any]:
    """What tfgl opens when asked for ``device``; raises when that is nothing."""
    from .device import open_device

    return asdict(open_device(_flags(device, gl_version)).info)


def examine(device: str, gl_version: int | None = None) -> dict[str, Any]:
    """Open ``device`` (``egl:0``, ``glfw``) and try what tfgl uses of it; raises when it does not open."""
    from ..engine import Engine
    from ..flags import Flags
    from .choices import decide
    from .device import Device, create_context

    flags = _flags(device, gl_version)
    backend = flags.backend
    # Not open_device, whose error is the summary of what is tried here one by one.
    opened = Device(create_context(backend, flags.device_index), backend, flags)
    engine = Engine(opened, flags)
    report: dict[str, Any] = {**asdict(opened.info), "flavour": opened.flavour}
    choices, origins = decide(opened.info, replace(flags, program_cache=Flags().program_cache))
    report["choices"] = {name: [value, origins[name]] for name, value in asdict(choices).items()}
    report["float32_render"] = _tried(lambda: _renders(engine, "float32"))
    report["int32_render"] = _tried(lambda: _renders(engine, "int32"))
    if opened.flavour == "image":
        # Each tiny draw above read its operands through image units.
        report["image_load_store"] = report["float32_render"]
        samplers = replace(flags, accessor="sampler")
        report["sampler_render"] = _tried(
            lambda: _renders(Engine(Device(opened.context, backend, samplers), samplers), "float32")
        )
    else:
        report["image_load_store"] = (
            f"no: {report['fragment_images']} image units in fragment shaders, GL {report['version_code'] / 100:.1f}"
        )
        report["sampler_render"] = report["float32_render"]
    report["layered_render"] = _tried(lambda: _renders_tiles(engine))
    report["compute_dispatch"] = _tried(lambda: _computes(opened, replace(flags, dispatch="compute")))
    report["timer_query"] = _tried(lambda: _times(engine)) if opened.info.timer_queries else "no: needs GL 3.3"
    binaries = opened.info.program_binary_formats > 0
    report["program_binary"] = _tried(lambda: _binary_returns(engine)) if binaries else "no: the driver has no format"
    costs = [program.compile_ms for program in engine.programs.programs.values()]
    report["compile_ms"] = [round(cost, 2) for cost in costs]
    return report


def _tried(trial: Callable[[], None]) -> str:
    try:
        trial()
    except Exception as error:
        return f"no: {' '.join(str(error).split()) or type(error).__name__}"
    return "ok"


# Values that a half float, a normalised format or a float in place of an integer would change.
_FLOATS = [1.0000001, -3.4e38, 16777215.0, 1.2e-38, 0.0, -0.5, 65521.0]
_INTS = [2147483646, -2147483648, 16777217, -16777219, 0, 1, -1]


def _renders(engine: Engine, dtype: str) -> None:
    """Draw a negation and a sum into a texture of ``dtype`` and read them back."""
    import numpy as np

    from .. import engine as engines
    from ..registry import run_kernel

    before = engines.use(engine)
    try:
        values = np.array(_FLOATS if dtype == "float32" else _INTS, dtype)
        got = run_kernel("Add", {"a": engine.tensor(values), "b": engine.tensor(np.zeros_like(values) + 0)})
        assert not isinstance(got, list)
        found = got.numpy()
    finally:
        engines.use(before)
    wrong = np.flatnonzero(found != values)
    if wrong.size:
        at = wrong[0]
        raise ValueError(f"wrote {values[at]!r}, read {found[at]!r}")


def _renders_tiles(engine: Engine) -> None:
    """Draw into every layer of a texture array at once, and back."""
    import numpy as np

    values = np.arange(2 * 9 * 3 * 5, dtype=np.float32).reshape(2, 9, 3, 5)
    x = engine.tensor(values)
    x.tiles()
    tiled = engine.emit("elementwise", {"a": x}, values.shape, "float32", None, {"OPERANDS": 1, "EXPRESSION": "(-a)"},
                        layout="tiles", tiled=["a"], access={"a": "same"})  # fmt: skip
    if not np.array_equal(tiled.numpy(), -values):
        raise ValueError("the layers came back with other values than were drawn")


def _computes(opened: Device, flags: Flags) -> None:
    from ..engine import Engine
    from .device import Device

    engine = Engine(Device(opened.context, opened.info.backend, flags), flags)
    try:
        _renders(engine, "float32")
        _renders(engine, "int32")
        _renders_tiles(engine)
    finally:
        # A program in use hides the pipelines of the trials after this one.
        opened.gl.UseProgram(0)


def _times(engine: Engine) -> None:
    from . import raw

    gl = engine.device.gl
    query = gl.query()
    gl.BeginQuery(raw.TIME_ELAPSED, query)
    _renders(engine, "float32")
    gl.EndQuery(raw.TIME_ELAPSED)
    elapsed_ns = gl.query_result(query)
    gl.delete_query(query)
    error = gl.GetError()
    if error != raw.NO_ERROR:
        raise ValueError(f"GL error {error:#x}")
    if elapsed_ns == 0:
        raise ValueError("it measures zero")


def _binary_returns(engine: Engine) -> None:
    gl = engine.device.gl
    program = next(iter(engine.programs.programs.values()))
    binary_format, binary = gl.program_binary(program.glo)
    if not binary:
        raise ValueError("the driver gives no bytes")
    again = gl.program_from_binary(binary_format, binary)
    if again is None:
        raise ValueError("the driver refuses its own binary")
    gl.DeleteProgram(again)


# -- surroundings -----------------------------------------------------------


def look_around(root: Path = Path("/"), environment: Mapping[str, str] | None = None) -> Surroundings:
    """Libraries, device files and variables that drivers depend on; ``root`` and ``environment`` for tests."""
    variables = os.environ if environment is None else environment
    dri = root / "dev" / "dri"
    nodes: list[Path] = []
    with contextlib.suppress(OSError):
        nodes = sorted(path for path in dri.iterdir() if path.name.startswith(("render", "card")))
    return Surroundings(
        platform=sys.platform,
        container=_in_container(root, variables),
        egl_library=ctypes.util.find_library("EGL"),
        gl_library=ctypes.util.find_library("GL"),
        dri_devices=tuple(path.name for path in nodes),
        dri_readable=any(os.access(path, os.R_OK | os.W_OK) for path in nodes),
        nvidia_device=(root / "dev" / "nvidiactl").exists() or (root / "proc" / "driver" / "nvidia").exists(),
        nvidia_capabilities=variables.get("NVIDIA_DRIVER_CAPABILITIES"),
        nvidia_egl=ctypes.util.find_library("EGL_nvidia") is not None,
        display=bool(variables.get("DISPLAY") or variables.get("WAYLAND_DISPLAY")),
    )


def _in_container(root: Path, variables: Mapping[str, str]) -> bool:
    if variables.get("container") or "KUBERNETES_SERVICE_HOST" in variables:
        return True
    if (root / ".dockerenv").exists() or (root / "run" / ".containerenv").exists():
        return True
    with contextlib.suppress(OSError):
        groups = (root / "proc" / "1" / "cgroup").read_text(errors="replace")
        return any(name in groups for name in ("docker", "kubepods", "containerd", "lxc"))
    return False


def hints(
    attempts: Sequence[Attempt], surroundings: Surroundings, chosen: str | None = None
) -> list[str]:
    """What to install or to change, most urgent first; [] when a GPU is chosen."""
    working = [attempt for attempt in attempts if attempt.works]
    found: list[str] = []
    hardware = [attempt for attempt in working if not attempt.report.get("software")]
    better = next((a.device for a in hardware or working if a.device != chosen), None)
    if better and (chosen is None or (hardware and chosen not in {a.device for a in hardware})):
        found.append(f"{better} works, but is not what is opened by itself: ask for it with --device {better}")
    if hardware:
        return found
    linux = surroundings.platform.startswith("linux")
    if linux and not surroundings.egl_library:
        found.append(
            "no EGL library (libEGL.so.1): on Debian or Ubuntu apt-get install libegl1 libegl-mesa0 libgl1 "
            "libgl1-mesa-dri; on Fedora dnf install mesa-libEGL mesa-libGL mesa-dri-drivers"
        )
    elif linux and not surroundings.gl_library:
        found.append("no OpenGL library (libGL.so.1): on Debian or Ubuntu apt-get install libgl1")
    elif linux and not working:
        found.append(
            "the EGL library is there, but no driver behind it answers: on Debian or Ubuntu apt-get install "
            "libegl-mesa0 libgl1-mesa-dri, which bring a software driver too"
        )
    if surroundings.nvidia_device:
        found += _nvidia_hints(surroundings)
    elif linux and not surroundings.dri_devices:
        where = "; a container needs --device /dev/dri (or --gpus all for NVIDIA)" if surroundings.container else ""
        found.append(f"no /dev/dri: no GPU is visible here{where}")
    elif linux and not surroundings.dri_readable:
        found.append(
            f"/dev/dri/{surroundings.dri_devices[0]} may not be opened by this user: "
            "add the user to the groups render and video"
        )
    if working:
        found.append("only a software driver works: results are the same, times say nothing about a GPU")
    return found


def _nvidia_hints(surroundings: Surroundings) -> list[str]:
    given = surroundings.nvidia_capabilities
    capabilities = set((given or "").replace(" ", "").split(","))
    if surroundings.container and not capabilities & {"graphics", "all", "display"}:
        return [
            "an NVIDIA GPU is visible, but the container was started without the 'graphics' driver capability "
            f"(NVIDIA_DRIVER_CAPABILITIES={given or 'unset'}): start it with "
            "-e NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility and install libegl1 libgl1"
        ]
    if not surroundings.nvidia_egl:
        return [
            "an NVIDIA GPU is visible, but its EGL driver (libEGL_nvidia.so.0) is not: install the driver's GL part "
            "(Debian: libnvidia-egl-wayland1 nvidia-egl-icd; Ubuntu: libnvidia-gl-<version>)"
        ]
    return ["an NVIDIA GPU is visible and its EGL driver is installed, but no device opened; see the errors above"]


def cache_folders(environment: Mapping[str, str] | None = None) -> tuple[CacheFolder, ...]:
    """Our program cache and those of Mesa and NVIDIA that exist."""
    from ..flags import flags
    from .cache import cache_info

    variables = os.environ if environment is None else environment
    ours = cache_info()
    found = [CacheFolder("tfgl", ours.directory, ours.bytes, flags.program_cache)]
    home = Path(variables.get("HOME") or Path.home())
    base = Path(variables.get("XDG_CACHE_HOME") or home / ".cache")
    mesa = Path(variables.get("MESA_SHADER_CACHE_DIR") or variables.get("MESA_GLSL_CACHE_DIR") or base)
    mesa_enabled = "true" not in (
        variables.get("MESA_SHADER_CACHE_DISABLE", "").lower(), variables.get("MESA_GLSL_CACHE_DISABLE", "").lower(),
    )  # fmt: skip
    nvidia = variables.get("__GL_SHADER_DISK_CACHE_PATH")
    nvidia_folders = [Path(nvidia)] if nvidia else [base / "nvidia" / "GLCache", home / ".nv" / "GLCache"]
    mesa_names = ("mesa_shader_cache", "mesa_shader_cache_db", "mesa_shader_cache_sf")
    candidates = [
        *(("Mesa", mesa / name, mesa_enabled) for name in mesa_names),
        *(("NVIDIA", folder, variables.get("__GL_SHADER_DISK_CACHE") != "0") for folder in nvidia_folders),
    ]
    for owner, folder, enabled in candidates:
        if folder.is_dir():
            found.append(CacheFolder(owner, str(folder), _folder_bytes(folder), enabled))
    return tuple(found)


def _folder_bytes(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total
