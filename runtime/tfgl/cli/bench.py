"""``tfgl bench``: what warming up costs, and what an inference costs afterwards."""

from __future__ import annotations

import click

from .command import Settings, existing_model, print_json, print_table, with_settings


@click.command(short_help="Times of load, compile, first and steady inference.")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, callback=existing_model)
@click.option("--runs", type=click.IntRange(min=1), default=50, show_default=True, help="Steady inferences to time.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="For the random inputs.")
@with_settings
def bench(settings: Settings, models: tuple[str, ...], runs: int, seed: int) -> None:
    """Load, upload, compile, first inference and steady inference of each MODEL, on random inputs.

    Each model gets a context of its own, so that none finds the programs of
    another. TFGL_CACHE=0 measures what a machine pays that never ran the model.
    """
    from ..profile import Warmup, measure_warmup
    from .arrays import random_inputs
    from .models import load

    measured: list[Warmup] = []
    for model in models:
        with settings.engine(fresh=True), load(settings, model) as loaded:
            inputs = random_inputs(dict(zip(loaded.input_keys, loaded.inputs, strict=True)), seed)
            measured.append(measure_warmup(loaded, inputs, runs, name=model))
        if not settings.as_json:
            print_table(measured[-1].table())
    if settings.as_json:
        print_json({"runs": runs, "models": [warmup.as_dict() for warmup in measured]})
