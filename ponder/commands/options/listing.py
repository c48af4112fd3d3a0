"""Options of `list`: what can be plugged in."""

from __future__ import annotations

from typing import Annotated

import typer

from ponder.api.catalogue import ROOMS
from ponder.commands.options.shared import Json, completed, print_json
from ponder.commands.terminal import Terminal


def list_what(
    what: Annotated[str, typer.Argument(help=f"{', '.join(ROOMS)}.", autocompletion=completed(lambda: ROOMS))],
    as_json: Json = False,
) -> None:
    """What can be plugged in, with settings, needs and source."""
    from ponder.api.catalogue import available
    from ponder.commands import catalogue as printed

    entries = available(what)
    if as_json:
        print_json([entry.as_data() for entry in entries])
    else:
        terminal = Terminal()
        terminal.print(printed.table(what, entries, terminal.width))
