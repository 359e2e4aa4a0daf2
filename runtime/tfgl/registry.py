"""The kernel registry and `run_kernel`, the contract that everything shares."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, TypeVar

from . import engine as engines
from .errors import InvalidArgumentError
from .tensor import Tensor

KernelResult = Tensor | list[Tensor]
RunsOn = Literal["shader", "view", "host"]
F = TypeVar("F", bound=Callable[..., Any])

_kernels: dict[str, Kernel] = {}
_loaded = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """One registered kernel.

    ``runs_on``: ``shader``, ``view`` (no work: another view of the same data) or
    ``host`` (one of the few that DESIGN allows there).
    """

    name: str
    function: Callable[..., KernelResult]
    inputs: tuple[str, ...]
    optional: frozenset[str]
    attrs: tuple[str, ...]
    required_attrs: frozenset[str]
    runs_on: RunsOn
    complex_parts: bool
    strings: bool


def camel_case(name: str) -> str:
    """The tfjs spelling of a Python parameter.

    >>> camel_case("data_format"), camel_case("box_ind")
    ('dataFormat', 'boxInd')
    """
    return re.sub(r"_(.)", lambda match: match.group(1).upper(), name.rstrip("_"))


def kernel(
    name: str, *, runs_on: RunsOn = "shader", complex_parts: bool = False, strings: bool = False
) -> Callable[[F], F]:
    """Register a function as the kernel ``name``.

    Positional parameters are its inputs, keyword-only ones its attributes, in
    snake case. ``complex_parts``: a complex64 input is handled by running the
    kernel on the real and on the imaginary parts. ``strings``: string tensors
    are moved on the host by the NumPy reference of the same kernel.
    """

    def register(function: F) -> F:
        if name in _kernels:
            raise ValueError(f"kernel {name} is registered twice: {_kernels[name].function} and {function}")
        parameters = inspect.signature(function).parameters.values()
        inputs = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
        attrs = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        _kernels[name] = Kernel(
            name,
            function,
            tuple(camel_case(p.name) for p in inputs),
            frozenset(camel_case(p.name) for p in inputs if p.default is not p.empty),
            tuple(camel_case(p.name) for p in attrs),
            frozenset(camel_case(p.name) for p in attrs if p.default is p.empty),
            runs_on,
            complex_parts,
            strings,
        )
        return function

    return register


def host_kernel(name: str, rule: Callable[..., Any]) -> None:
    """Register the kernel ``name`` as the NumPy function ``rule`` on the values of its inputs, read to the host.

    The parameters of ``rule`` are the kernel's, as for `kernel`; it returns an array or a list of them. For the few
    kernels that may compute on the host, see DESIGN.
    """

    def run(**arguments: Any) -> KernelResult:
        inputs = [value for value in arguments.values() if isinstance(value, Tensor)]
        values = {key: value.numpy() if isinstance(value, Tensor) else value for key, value in arguments.items()}
        result = rule(**values)
        make = inputs[0].engine.tensor
        return [make(item) for item in result] if isinstance(result, list) else make(result)

    run.__signature__ = inspect.signature(rule)  # type: ignore[attr-defined]
    run.__doc__ = rule.__doc__
    kernel(name, runs_on="host")(run)


def _load() -> None:
    global _loaded
    if not _loaded:
        package = importlib.import_module("tfgl.kernels")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
        _loaded = True


def kernels() -> Mapping[str, Kernel]:
    """Every registered kernel by its tfjs name."""
    _load()
    return _kernels


def kernel_names() -> set[str]:
    """Names of the kernels that `run_kernel` can run.

    >>> "Conv2D" in kernel_names()
    True
    """
    return set(kernels())


def run_kernel(
    name: str, inputs: Mapping[str, Tensor | Sequence[Tensor]], attrs: Mapping[str, Any] | None = None
) -> KernelResult:
    """Run the kernel ``name`` on the calling thread's engine.

    ``inputs`` and ``attrs`` are named as in TensorFlow.js (``dataFormat``);
    AddN, Concat, Pack and Einsum take ``{"tensors": [...]}``. Raises
    InvalidArgumentError, a ValueError, for anything that does not fit.

    >>> import tfgl
    >>> tfgl.run_kernel("Add", {"a": tfgl.tensor([1.0]), "b": tfgl.tensor([2.0])}).numpy()
    array([3.], dtype=float32)
    """
    entry = kernels().get(name)
    if entry is None:
        raise InvalidArgumentError(f"no kernel {name!r}; `tfgl ops` lists the {len(_kernels)} kernels there are")
    arguments = _arguments(entry, "input", inputs, entry.inputs, set(entry.inputs) - entry.optional)
    arguments |= _arguments(entry, "attribute", attrs or {}, entry.attrs, entry.required_attrs)
    engine = engines.current()
    outer, engine.node = engine.node, engine.node or name
    try:
        if engine.kernel_log is not None:
            return _logged(entry, arguments, engine, engine.kernel_log)
        return dispatch(entry, arguments)
    finally:
        engine.node = outer


def run_one(
    name: str, inputs: Mapping[str, Tensor | Sequence[Tensor]], attrs: Mapping[str, Any] | None = None
) -> Tensor:
    """`run_kernel` of a kernel with one result.

    >>> import tfgl
    >>> run_one("Neg", {"x": tfgl.tensor([1.0])}).numpy()
    array([-1.], dtype=float32)
    """
    result = run_kernel(name, inputs, attrs)
    assert isinstance(result, Tensor), f"{name} has one result"
    return result


def _logged(
    entry: Kernel, arguments: Mapping[str, Any], engine: engines.Engine, log: list[engines.KernelRun]
) -> KernelResult:
    """`dispatch`, timed and written down; kernels that this one runs are part of it, not lines of their own."""
    finish = engine.device.gl.Finish
    tensors, size = engine.live_tensors, engine.live_bytes
    finish()
    engine.kernel_log = None
    start = perf_counter()
    try:
        result = dispatch(entry, arguments)
    finally:
        engine.kernel_log = log
    finish()
    inputs = {name: _shapes(arguments.get(_snake(name))) for name in entry.inputs}
    outputs = result if isinstance(result, list) else [result]
    log.append(
        engines.KernelRun(
            name=entry.name,
            elapsed_ms=(perf_counter() - start) * 1e3,
            input_shapes={name: shapes for name, shapes in inputs.items() if shapes},
            output_shapes=tuple(tensor.shape for tensor in outputs),
            bytes_added=engine.live_bytes - size,
            total_bytes=engine.live_bytes,
            tensors_added=engine.live_tensors - tensors,
            total_tensors=engine.live_tensors,
        )
    )
    return result


def _shapes(value: object) -> tuple[tuple[int, ...], ...]:
    tensors = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(tensor.shape for tensor in tensors if isinstance(tensor, Tensor))


def dispatch(entry: Kernel, arguments: Mapping[str, Any]) -> KernelResult:
    """Run ``entry`` on arguments by Python name: complex and string tensors go their own ways."""
    tensors = [
        t
        for value in arguments.values()
        for t in (value if isinstance(value, (list, tuple)) else (value,))
        if isinstance(t, Tensor)
    ]
    for tensor in tensors:
        tensor._check()
    dtypes = {tensor.dtype for tensor in tensors}
    if "complex64" in dtypes and entry.complex_parts:
        return _by_parts(entry, arguments)
    if "string" in dtypes and entry.strings:
        return _on_host(entry, arguments)
    return entry.function(**arguments)


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: "_" + match.group(0).lower(), name)


def _arguments(
    entry: Kernel, what: str, given: Mapping[str, Any], known: Sequence[str], required: set[str] | frozenset[str]
) -> dict[str, Any]:
    present = {name: value for name, value in given.items() if value is not None}
    unknown = [name for name in present if name not in known]
    if unknown:
        raise InvalidArgumentError(
            f"{entry.name} has no {what} {unknown[0]!r}; its {what}s are {', '.join(known) or 'none'}"
        )
    missing = [name for name in known if name in required and name not in present]
    if missing:
        raise InvalidArgumentError(f"{entry.name} needs {what} {missing[0]!r}; got {', '.join(present) or 'none'}")
    if what == "input":
        for name, value in present.items():
            for item in value if isinstance(value, (list, tuple)) else (value,):
                if not isinstance(item, Tensor):
                    raise InvalidArgumentError(
                        f"{entry.name}: input {name!r} takes tensors, got {type(item).__name__}; "
                        "make one with tfgl.tensor"
                    )
    return {_snake(name): value for name, value in present.items()}


def _by_parts(entry: Kernel, arguments: Mapping[str, Any]) -> KernelResult:
    """Real parts and imaginary parts apart, put together again; real inputs have imaginary part zero."""
    results: list[KernelResult] = []
    for which in (0, 1):

        def part(value: Any, which: int = which) -> Any:
            if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
                return [part(item) for item in value]
            if not isinstance(value, Tensor):
                return value
            if value.dtype == "complex64":
                return value.parts[which]
            if value.dtype == "float32":
                return value if which == 0 else run_kernel("ZerosLike", {"x": value})
            return value

        results.append(entry.function(**{name: part(value) for name, value in arguments.items()}))
    real, imaginary = results
    if isinstance(real, Tensor):
        assert isinstance(imaginary, Tensor)
        return Tensor(real.engine, real.shape, "complex64").adopt_parts(real, imaginary)
    assert isinstance(imaginary, list)
    return [Tensor(r.engine, r.shape, "complex64").adopt_parts(r, i) for r, i in zip(real, imaginary, strict=True)]


def _on_host(entry: Kernel, arguments: Mapping[str, Any]) -> KernelResult:
    from .ir.reference import evaluate

    def values(value: Any) -> Any:
        if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
            return [item.numpy() for item in value]
        return value.numpy() if isinstance(value, Tensor) else value

    engine = engines.current()
    named = {camel_case(name): values(value) for name, value in arguments.items()}
    inputs = {name: value for name, value in named.items() if name in entry.inputs}
    attrs = {name: value for name, value in named.items() if name in entry.attrs}
    result = evaluate(entry.name, inputs, attrs)
    if isinstance(result, list):
        return [engine.tensor(item) for item in result]
    return engine.tensor(result)
