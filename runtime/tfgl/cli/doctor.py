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
_CHOICES = {
    "accessor": "how textures are read",
    "layers": "rows of a tile",
    "astride": "small outputs astride squares",
    "width_log2": "width of flat textures, log2",
    "workgroup": "workgroup of compute shaders",
}
# Where a choice comes from.
_ORIGINS = {"driver": "by what the driver says", "measured": "measured", "flag": "by a flag"}
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
@click.option("--tune", is_flag=True, help="Measure which ways of running programs suit the device, and keep them.")
@with_settings
def doctor(settings: Settings, tune: bool) -> None:
    """Try every device and back end; say what works, what was chosen and what to install.

    Each is opened in a process of its own, so that a driver that crashes or
    hangs is a line of the report. Exits with 1 when no device works.
    """
    if tune:
        _tune(settings)
        return
    from ..gl.probe import probe

    found = probe(settings.device, settings.flags().gl_version)
    if settings.as_json:
        print_json(found.as_dict())
    else:
        _print(found)
    if found.chosen is None:
        raise click.exceptions.Exit(1)


def _tune(settings: Settings) -> None:
    from dataclasses import asdict

    from ..tuning import tune_device

    flags = settings.flags()
    choices, trials = tune_device(flags)
    if settings.as_json:
        print_json({"choices": asdict(choices), "trials": [asdict(trial) for trial in trials]})
        return
    rows = [
        (_CHOICES[trial.choice], trial.candidate, f"{trial.elapsed_us:.0f}", "chosen" if trial.chosen else "")
        for trial in trials
    ]
    print_table(make_table("what suits the device", ["choice", "candidate", "µs", ""], rows, right=["µs"]))
    if not flags.program_cache:
        settings.note("the cache is turned off, so that nothing reads these choices")


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
    rows += [(label, _choice(*report["choices"][key])) for key, label in _CHOICES.items()]
    rows.append(("parallel compile", "yes" if report["parallel_compile"] else "no"))
    times = ", ".join(f"{cost:.1f}" for cost in report["compile_ms"])
    rows.append(("compile times of these trials", f"{times} ms"))
    return rows


def _choice(value: object, origin: str) -> str:
    shown = "x".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return f"{'yes' if value is True else 'no' if value is False else shown}, {_ORIGINS[origin]}"
