"""Options of the commands around a run: `run`, `report`, `reflect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ponder.commands.options.shared import Json, UnsafeCode, completed, print_json
from ponder.commands.terminal import Terminal


def _presets() -> list[str]:
    from ponder.api.training.presets import PRESETS

    return list(PRESETS)


def run(
    config: Annotated[Path | None, typer.Argument(help="A TOML file; without one, the embedded default.")] = None,
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/default"),
    model: Annotated[str | None, typer.Option(help="tiny (embedded), a local folder, or a hub id.")] = None,
    problems: Annotated[str | None, typer.Option(help="Comma-separated problem specs.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.", min=0)] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="Settings of a named method (`ponder list presets`); --set wins.", autocompletion=completed(_presets)
        ),
    ] = "",
    set_: Annotated[list[str] | None, typer.Option("--set", help="key.path=value, any number of times.")] = None,
    settings: Annotated[bool, typer.Option("--settings", help="List every key of --set, and run nothing.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be set, and the memory, disk and time; run nothing.")
    ] = False,
    cluster: Annotated[
        str, typer.Option(help="Sample and grade on a Ray cluster: local, or HOST:PORT of its head (docs/cluster.md).")
    ] = "",
    allow_unsafe_code: UnsafeCode = False,
    as_json: Json = False,
) -> None:
    """The self-play loop, start to report. --resume goes on with the settings that the run in --out began with.

    Settings that you leave open are chosen for the model's size, and shown.
    """
    if settings:
        _list_settings(as_json)
        return
    from ponder.api.train import check_plan, plan_run, train
    from ponder.api.training.presets import settings_of
    from ponder.commands.planned import show
    from ponder.commands.progress import Bars
    from ponder.reports.run.tables import console

    overrides = [f"model={json.dumps(model)}"] if model else []
    overrides += [f"problems={json.dumps(problems.split(','))}"] if problems else []
    overrides += [f"seed={seed}"] if seed is not None else []
    overrides += ["allow_unsafe_code=true"] if allow_unsafe_code else []
    chosen = settings_of(preset) if preset else ()
    plan = plan_run(config, out=out, settings=[*chosen, *(set_ or []), *overrides], resume=resume)
    if not as_json:
        show(plan, Terminal(), whole=dry_run)
    if dry_run:
        check_plan(plan)
        if as_json:
            print_json(plan.as_data())
        return
    with Bars(quiet=as_json) as bars:
        bars.starting("loading the model and measuring it before training")
        summary = train(plan, out=out, resume=resume, tell=bars.tell, cluster=cluster).summary
    if as_json:
        print_json(summary)
        return
    Terminal().print(console(summary))
    verifier = f"   Verifier: {out / 'verifier'}" if (out / "verifier").is_dir() else ""
    Terminal().print(f"Report: {out / 'report.html'}   Model: {out / 'model'}{verifier}")


def _list_settings(as_json: bool) -> None:
    from ponder.catalogue import flat_settings
    from ponder.commands import settings as printed
    from ponder.selfplay.config import Run

    found = flat_settings(Run)
    print_json(found) if as_json else Terminal().print(printed.table(found))


def report(
    run_folder: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    export: Annotated[Path | None, typer.Option(help="Folder for every table as CSV and every picture as SVG.")] = None,
    as_json: Json = False,
) -> None:
    """Build report.html and samples.html again from a run folder."""
    from ponder.api.samples import browse
    from ponder.reports.run.page import exported, render

    samples = browse(run_folder)
    page = render(run_folder)
    written: dict[str, Any] = {"report": str(page), "samples": None if samples is None else str(samples)}
    if export is not None:
        written["exported"] = [str(path) for path in exported(run_folder, export)]
    if as_json:
        print_json(written)
        return
    Terminal().print(f"Report: {page}" + ("" if samples is None else f"   Samples: {samples}"))
    if export is not None:
        Terminal().print(f"Exported: {len(written['exported'])} files in {export}")


def reflect(
    run_folder: Annotated[Path, typer.Argument(help="The folder of a run.")],
    out: Annotated[Path | None, typer.Option(help="Where the files go; the run folder unless given.")] = None,
    as_json: Json = False,
) -> None:
    """How often a run's samples go back or correct, over training and over budget, and what that did."""
    from ponder.api.reflection import reflect as reflected
    from ponder.commands import reflect as printed
    from ponder.reports.thinking.reflection import DATA, PAGE, PICTURE

    found = reflected(run_folder, out)
    if as_json:
        print_json(found)
        return
    folder = out or run_folder
    Terminal().print(printed.shown(found), highlight=False)
    Terminal().print(f"Written: {folder / PAGE}, {folder / DATA}, {folder / PICTURE}")
