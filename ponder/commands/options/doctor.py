"""Options of `doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ponder.commands.options.shared import Json, print_json
from ponder.commands.terminal import Terminal


def doctor(
    place: Annotated[Path, typer.Option(help="Where run folders would be written.")] = Path(), as_json: Json = False
) -> None:
    """What this machine can do, what is missing, and the command that mends it. Exit code 1: Ponder will not work."""
    from ponder.api.study.doctor import broken, look
    from ponder.commands.study import doctor as printed

    checks = look(place)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        console = Terminal()
        console.print(printed.shown(checks, console.width), highlight=False, crop=False)  # commands are copied whole
    if broken(checks):
        raise typer.Exit(1)
