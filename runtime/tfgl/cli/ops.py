"""``tfgl ops``: what runs, from the registries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from .command import Settings, make_table, print_json, print_table, with_settings

if TYPE_CHECKING:
    from ..ir.lowering import Row
    from ..registry import Kernel


@click.command(short_help="List the operations and kernels that run.")
@with_settings
def ops(settings: Settings) -> None:
    """The TensorFlow operations and the kernels that run, and which of them compute on the host."""
    from ..ir.lowering import rows
    from ..registry import kernels

    registered = kernels()
    table = [describe(row, registered) for _, row in sorted(rows().items())]
    listed = [
        {"name": name, "runs_on": kernel.runs_on, "inputs": list(kernel.inputs), "attrs": list(kernel.attrs)}
        for name, kernel in sorted(registered.items())
    ]
    if settings.as_json:
        print_json({"ops": table, "kernels": listed})
        return
    print_table(
        make_table(
            f"{len(table)} operations of graph models",
            ["operation", "kernels", "computes on", "inputs read on the host"],
            [
                (row["op"], ", ".join(row["kernels"]) or "none", _where(row), ", ".join(map(str, row["host_inputs"])))
                for row in table
            ],
        )
    )
    print_table(
        make_table(
            f"{len(listed)} kernels of tfgl.run_kernel",
            ["kernel", "computes on", "inputs", "attributes"],
            [(k["name"], k["runs_on"], ", ".join(k["inputs"]), ", ".join(k["attrs"])) for k in listed],
        )
    )


def describe(row: Row, registered: Mapping[str, Kernel]) -> dict[str, Any]:
    """One operation: its kernels, where they compute, and the kernels that it names but nobody registered.

    ``runs_on`` is ``shader``, ``view`` (no work), ``host`` for an operation whose
    kernels all compute there or that needs none, ``shader and host``, or
    ``nowhere`` when none of its kernels is registered.
    """
    places = {registered[name].runs_on for name in row.kernels if name in registered}
    if "shader" in places:
        runs_on = "shader and host" if "host" in places else "shader"
    else:
        runs_on = "host" if "host" in places or not row.kernels else "view" if places else "nowhere"
    missing = [name for name in row.kernels if name not in registered]
    return {
        "op": row.op,
        "kernels": list(row.kernels),
        "runs_on": runs_on,
        "host_inputs": list(row.host),
        "missing_kernels": missing,
        "supported": not missing,
    }


def _where(row: Mapping[str, Any]) -> str:
    missing = row["missing_kernels"]
    return f"{row['runs_on']}; missing: {', '.join(missing)}" if missing else str(row["runs_on"])
