"""``python -m tfgl.cli``."""

from . import main

main(prog_name="tfgl")
