"""Options of `claims list`, `claims show` and `claims run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ponder.commands.options.shared import Json, completed, print_json
from ponder.commands.terminal import Terminal


def _known() -> list[str]:
    from ponder.claims.book import claims

    return list(claims())


Name = Annotated[
    str, typer.Argument(help="A claim; `ponder claims list` has their names.", autocompletion=completed(_known))
]


def list_claims(as_json: Json = False) -> None:
    """Every claim with its verdict."""
    from ponder.claims.book import claims
    from ponder.commands.study import claims as printed

    found = list(claims().values())
    if as_json:
        print_json([claim.model_dump(mode="json") for claim in found])
    else:
        Terminal().print(printed.table(found))


def show_claim(name: Name, as_json: Json = False) -> None:
    """One claim: what was claimed, what others and we measured, the verdict, the commands that repeat it."""
    from ponder.claims.book import claim
    from ponder.commands.study import claims as printed

    found = claim(name)
    print_json(found.model_dump(mode="json")) if as_json else Terminal().print(printed.whole(found), highlight=False)


def run_claim(
    name: Name,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; build/claims/NAME unless given.")] = None,
    full: Annotated[bool, typer.Option("--full", help="The whole experiment and not the reduced one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the commands.")] = False,
) -> None:
    """Repeat a claim's experiment in a clone of the repository; called again, it goes on where it stopped."""
    from ponder.claims import running
    from ponder.claims.book import claim
    from ponder.claims.page import took
    from ponder.commands.study import claims as printed

    found, console = claim(name), Terminal(soft_wrap=True)
    trial = running.trial(found, full=full)
    folder = out or Path("build/claims") / (f"{name}-full" if full else name)
    console.print(f"{found.title}: {took(trial)} on two idle cores; results in {folder}", highlight=False)
    if dry_run:
        for command in trial.commands:
            console.print(command.replace("{out}", str(folder)), highlight=False, markup=False)
        return
    running.run(found, folder, full=full, tell=lambda text: console.print(f"$ {text}", highlight=False, markup=False))
    console.print(printed.beside(found), highlight=False)
