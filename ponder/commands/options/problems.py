"""Options of `problems list`, `show` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ponder.commands.options.shared import Json, Overwrite, Seed, Split, names, print_json
from ponder.commands.terminal import Terminal


def list_problems(
    gym: Annotated[bool, typer.Option("--gym", help="The tasks of reasoning-gym too.")] = False, as_json: Json = False
) -> None:
    """Every family with its parameters."""
    from ponder.commands import problems as shown
    from ponder.problems import listing

    rows = listing.listed() + (listing.listed_gym() if gym else [])
    print_json(rows) if as_json else Terminal().print(shown.families(rows))


def show_problems(
    spec: Annotated[str, typer.Argument(help="For example countdown, arithmetic?terms=4, gym:chain_sum.")],
    limit: Annotated[int, typer.Option("--limit", help="How many.", min=1, max=1000)] = 3,
    n: Annotated[int | None, typer.Option("--n", help="The same as --limit.", min=1, max=1000, hidden=True)] = None,
    split: Split = "train",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Some problems of a family, with their keys."""
    from ponder.commands import problems as shown
    from ponder.problems import listing

    found = listing.shown(spec, limit if n is None else n, split=split, seed=seed)
    print_json(found) if as_json else Terminal().print(shown.problems(found))


def export_problems(
    specs: Annotated[str, typer.Argument(help="Comma-separated: countdown, arithmetic?terms=4, gym:chain_sum.")],
    out: Annotated[Path, typer.Option(help="Folder of train.parquet, validation.parquet, test.parquet and a card.")],
    splits: Annotated[str, typer.Option(help="Comma-separated.")] = "train,validation,test",
    limit: Annotated[int, typer.Option("--limit", help="Problems of each family a split.", min=1)] = 1000,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Problems with their keys as Parquet files that Hugging Face `datasets` loads."""
    from ponder.api.interop.datasets import export

    counts = export(names(specs), out, splits=names(splits), limit=limit, seed=seed, overwrite=overwrite)
    if as_json:
        print_json({"out": str(out), "rows": counts})
        return
    rows = ", ".join(f"{count} {split}" for split, count in counts.items())
    Terminal().print(f"Written: {out} ({rows}); datasets.load_dataset({str(out)!r}) reads it")
