"""`ponder compare`: several run folders read, and their page, table and pictures written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ponder.api.outputs import result_folder
from ponder.reports import export
from ponder.reports.compare import page
from ponder.reports.compare.runs import Comparison, Run, comparison, named
from ponder.reports.follow.state import read
from ponder.reports.run import summary_reader
from ponder.runlog.files import write_text
from ponder.runlog.folder import read_config

PAGE, TABLE, SETTINGS = "compare.html", "compare.csv", "settings.csv"


def compare(folders: Sequence[Path], out: Path | None) -> Comparison:
    """Runs that ended or go on, side by side. With `out` the page, tables as CSV and pictures as SVG go there.

    Files of an earlier comparison in `out` are replaced. Raises PonderError for a folder that is no run.
    """
    names = named(folders)
    found = comparison([_run(name, folder) for name, folder in zip(names, folders, strict=True)])
    if out is not None:
        result_folder(out, (PAGE, TABLE, SETTINGS), overwrite=True)
        drawn = page.figures(found)
        write_text(out / PAGE, page.page(found, drawn))
        export.table(found.reached, out / TABLE)
        if found.settings is not None:
            export.table(found.settings, out / SETTINGS)
        for name, (_, figure) in drawn.items():
            export.picture(figure, out / f"{name}.svg")
    return found


def _run(name: str, folder: Path) -> Run:
    state = read(folder)
    summary = summary_reader.load(folder) if (folder / "summary.json").is_file() else {}
    return Run(name, state, summary, read_config(folder))
