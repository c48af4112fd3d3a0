"""Options of `watch` and `compare`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ponder.commands.options.shared import Json, print_json
from ponder.commands.terminal import Terminal


def watch(
    run_folder: Annotated[Path, typer.Argument(help="The folder of a run, going on or ended.")],
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.5)] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    samples: Annotated[int, typer.Option(help="Samples of the newest round to show.", min=0, max=50)] = 3,
    page: Annotated[
        Path | None, typer.Option(help="Write this page too; a browser loads it again while the run goes on.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Curves, alarms and the newest samples of a run while it goes on; without a terminal, a line a round."""
    from ponder.api.study import watch as following
    from ponder.reports.follow import page as pages
    from ponder.reports.follow import terminal

    console = Terminal()
    first = following.state(run_folder, samples)
    if as_json:
        print_json(
            {
                "done": first.done,
                "total": first.total,
                "ended": first.ended,
                "alarms": first.alarms,
                "rows": [dict(row) for row in first.rows],
            }
        )
        return
    if page is not None:
        pages.write(first, page)
        console.print(f"Page: {page}")
    if once or first.ended:
        console.print(terminal.frame(first, console.width) if console.is_terminal else terminal.line(first))
        return
    if console.is_terminal:
        _live(run_folder, every, samples, page, console)
        return
    told = -1
    while True:
        now = following.state(run_folder, samples)
        if now.done != told or now.ended:
            told = now.done
            print(terminal.line(now), file=sys.stdout, flush=True)
            if page is not None:
                pages.write(now, page)
        if now.ended:
            return
        time.sleep(every)


def _live(run_folder: Path, every: float, samples: int, page: Path | None, console: Terminal) -> None:
    from rich.live import Live

    from ponder.api.study import watch as following
    from ponder.reports.follow import page as pages
    from ponder.reports.follow import terminal

    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            now = following.state(run_folder, samples)
            live.update(terminal.frame(now, console.width), refresh=True)
            if page is not None:
                pages.write(now, page)
            if now.ended:
                return
            time.sleep(every)


def compare(
    run_folders: Annotated[
        list[Path], typer.Argument(help="Folders of runs; the first is what others are held against.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for compare.html, the table as CSV and the pictures as SVG.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Runs side by side: what they reached, what it cost, and in which settings they differ."""
    from ponder.api.study.compare import compare as compared
    from ponder.commands.study import compare as printed

    found = compared(run_folders, out)
    if as_json:
        print_json(found.as_data())
        return
    console = Terminal()
    console.print(printed.shown(found), highlight=False)
    if out is not None:
        console.print(f"Written: {out / 'compare.html'}")
