"""``tfgl doctor``: which devices work, what they can do, what to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..tables import bytes_text
from .command import Settings, make_table, print_json, print_table, printable, with_settings

if TYPE_CHECKING:
    from ..gl.probe import Attempt, Probe

# What the report says of a device -> how it is called here.
_LIMITS = {
    "max_texture_size": "largest texture",
    "max_array_layers": "layers of a texture array",
    "max_draw_buffers": "render targets of a draw",
    "max_image_units": "image units",
    "fragment_images": "images in a fragment shader",
}
_ABILITIES = {
    "float32_render": "float32 render and read",
    "int32_render": "int32 render and read",
    "layered_render": "render into layers",
    "image_load_store": "image load/store",
    "sampler_render": "texture samplers",
    "compute_dispatch": "compute shaders",
    "timer_query": "timer queries",
    "program_binary": "program binaries",
}


@click.command(short_help="Try every device; say what to install.")
@with_settings
def doctor(settings: Settings) -> None:
    """Try every device and back end; say what works, what was chosen and what to install.

    Each is opened in a process of its own, so that a driver that crashes or
    hangs is a line of the report. Exits with 1 when no device works.
    """
    from ..gl.probe import probe

    found = probe(settings.device, settings.flags().gl_version)
    if settings.as_json:
        print_json(found.as_dict())
    else:
        _print(found)
    if found.chosen is None:
        raise click.exceptions.Exit(1)


def _print(found: Probe) -> None:
    rows = [
        (
            attempt.device,
            "chosen" if attempt.device == found.chosen else "works" if attempt.works else "fails",
            _what(attempt),
            f"{attempt.seconds:.1f} s",
        )
        for attempt in found.attempts
    ]
    print_table(make_table("devices", ["device", "", "driver", "took"], rows, right=["took"]))
    for attempt in found.attempts:
        if attempt.report:
            print_table(make_table(f"{attempt.device}: {attempt.report['renderer']}", ["", ""], _details(attempt)))
    caches = [
        (cache.owner, cache.directory, bytes_text(cache.bytes), "on" if cache.enabled else "off")
        for cache in found.caches
    ]
    print_table(make_table("caches of compiled programs", ["owner", "folder", "size", ""], caches, right=["size"]))
    for hint in found.hints:
        click.echo(printable(f"- {hint}"))
    if found.chosen is None:
        click.echo("no device works")


def _what(attempt: Attempt) -> str:
    if attempt.error:
        return attempt.error
    kind = " (software driver)" if attempt.report["software"] else ""
    return f"{attempt.report['renderer']}{kind}, OpenGL {attempt.report['version']}"


def _details(attempt: Attempt) -> list[tuple[str, str]]:
    report = attempt.report
    rows = [
        ("vendor", str(report["vendor"])),
        ("driver", "software, on the CPU" if report["software"] else "hardware"),
        ("OpenGL", f"{report['version']}, used as {report['version_code'] / 100:.1f} with {report['flavour']} access"),
    ]
    rows += [(label, str(report[key])) for key, label in _LIMITS.items()]
    rows += [(label, str(report[key])) for key, label in _ABILITIES.items()]
    rows.append(("parallel compile", "yes" if report["parallel_compile"] else "no"))
    times = ", ".join(f"{cost:.1f}" for cost in report["compile_ms"])
    rows.append(("compile times of these trials", f"{times} ms"))
    return rows
