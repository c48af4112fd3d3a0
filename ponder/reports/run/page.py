"""Run folder -> report.html and PNGs: one file that works offline, on a phone and in print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from ponder.reports import export
from ponder.reports import formatting as say
from ponder.reports.plot_style import png, settle, style, svg
from ponder.reports.run import alarms, by_turn, lead, plots, provenance, story, tables, turns, work
from ponder.reports.run import narrative as sentences
from ponder.reports.run import transcripts as reading_room
from ponder.reports.run.captions import CAPTIONS, FAMILIES, GLOSSARY
from ponder.reports.run.summary_reader import Summary, curve, load
from ponder.reports.templates import environment
from ponder.runlog import files
from ponder.types import Curve

SENTENCES = (
    "headline", "breath", "conditions", "decoding", "control", "unsolved", "coverage", "verifier_gain",
    "verifier_gain_before", "fit",
)  # fmt: skip
TRAINED = tuple(("train_time", name) for name in ("curve", "control", "rejection"))
SAMPLES = "samples.html"  # the browser of the run's samples, beside the report


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot in the page: `alt` says in words what it shows; `numbers` is the table behind it."""

    name: str
    title: str
    caption: str
    alt: str
    drawing: Markup
    numbers: tables.Grid | None = None


def render(run_folder: Path) -> Path:
    """Write `report.html` and the PNGs into the run folder from its `summary.json`; returns the page's path.

    Raises PonderError if the summary is missing or broken, or if the disk refuses a file; the old page then stays.
    """
    page = _page(load(run_folder), run_folder)
    target = run_folder / "report.html"
    files.write_text(target, page)
    return target


def exported(run_folder: Path, out: Path) -> list[Path]:
    """Every table of the report as CSV and every picture as SVG, in `out`; returns the files."""
    summary = load(run_folder)
    grids = {name: table for name, table in _content(summary).items() if isinstance(table, tables.Grid)}
    written = [export.table(table, out / f"{name}.csv") for name, table in grids.items()]
    with style():
        for name, (figure, lines) in _figures(summary).items():
            if figure is None:
                continue
            settle(figure)
            written.append(export.picture(figure, out / f"{name}.svg"))
            if lines:
                written.append(export.table(tables.points(lines), out / f"{name}.csv"))
    return written


def _page(summary: Summary, run_folder: Path) -> str:
    with style():
        drawn = {plot.name: plot for plot in _plots(summary, run_folder)}
    has_samples = (run_folder / SAMPLES).is_file()
    return (
        environment()
        .get_template("run/page.html.j2")
        .render(**_content(summary), plots=drawn, samples=SAMPLES if has_samples else "")
    )


def _content(summary: Summary) -> dict[str, Any]:
    """Everything in the page but the plots."""
    said = {name: getattr(sentences, name)(summary) for name in SENTENCES}
    return {
        "said": said,
        "story": story.story(summary),
        "accuracy": tables.accuracy(summary),
        "controls": tables.controls(summary),
        "greedy": tables.accuracy(summary, "greedy"),
        "decoding": tables.decoding(summary),
        "coverage": tables.coverage(summary),
        "problems": [(say.human(name), *FAMILIES[name]) for name in sentences.families(summary) if name in FAMILIES],
        "harder": tables.accuracy(summary, "harder"),
        "families": [f"test_time_{name}" for name in tables.strategies(summary) if name != "all"],
        "troubles": [
            *provenance.troubles(summary),
            *alarms.sentences(summary),
            *alarms.health(summary),
            *turns.sentences(summary),
        ],
        "turns": by_turn.table(summary),
        "not_judged": by_turn.failures(summary),
        "calls": by_turn.calls(summary),
        "disagreements": tables.disagreements(summary),
        "rounds": tables.rounds(summary),
        "transcripts": reading_room.transcripts(summary),
        "transcripts_note": reading_room.note(summary),
        "made": provenance.made(summary),
        "work": tables.work(summary),
        "work_note": work.note(summary),
        "versions": provenance.versions(summary),
        "glossary": GLOSSARY,
    }


def _figures(summary: Summary) -> dict[str, tuple[Figure | None, list[Curve]]]:
    """Every picture by name, with the curves behind it."""
    return {
        "lead": (lead.draw(summary), []),
        "accuracy": (plots.accuracy(summary), []),
        "train_time": (plots.training(summary), _curves(summary, *TRAINED)),
        "coverage": (plots.coverage(summary), []),
        "by_turn": (by_turn.run_picture(summary), by_turn.curves(summary)),
        "test_time": _thinking(summary),
        "test_time_before": _thinking(summary, "before"),
        "natural": (plots.natural(curve(summary, "curves", "natural")), _curves(summary, ("natural",))),
        "verifier": (plots.verifier(summary), []),
        "levels": (plots.by_round(summary, "levels", "level"), []),
        "tokens": (plots.by_round(summary, "tokens", "tokens a response"), []),
        "solve_rate": (plots.by_round(summary, "solve_rate", "solve rate in training"), []),
    }


def _plots(summary: Summary, folder: Path) -> Iterator[Plot]:
    """Draw each plot that has something to show; its PNG goes into the folder at once."""
    panels = tables.strategies(summary)
    for name, (figure, lines) in _figures(summary).items():
        if figure is not None:
            settle(figure)
            png(figure, folder / f"{name}.png")
            words = {"accuracy": sentences.headline, "lead": lead.in_words}
            alt = words[name](summary) if name in words else plots.in_words(figure)
            told = [replace(c, note="") for c in lines] if name == "natural" else lines  # its caption says it
            yield _plot(name, *CAPTIONS[name], alt, figure, told)
    yield from _family_plots(panels, folder)


def _thinking(summary: Summary, *where: str) -> tuple[Figure | None, list[Curve]]:
    """The plot of all families together below `where` in the curves, and what is drawn in it."""
    lines = tables.strategies(summary, *where).get("all", [])
    ceiling = curve(summary, "curves", *where, "coverage")
    # The plot's own caption explains it.
    explained = [] if ceiling is None else [replace(ceiling, note="")]
    return plots.thinking({"all": lines}, ceiling), [*lines, *explained]


def _family_plots(panels: Mapping[str, list[Curve]], folder: Path) -> Iterator[Plot]:
    """Small multiples: a drawing each in the page, where they can restack, and one PNG with all of them."""
    families = {name: lines for name, lines in panels.items() if name != "all"}
    for name, lines in families.items():
        figure = plots.thinking({name: lines}, key=False)
        if figure is not None:
            alt = f"Accuracy against thinking. {plots.in_words(figure)}"
            yield _plot(f"test_time_{name}", say.human(name), "", alt, figure, lines)
    together = plots.thinking(families)
    if together is not None:
        png(together, folder / "test_time_families.png")


def _plot(name: str, title: str, caption: str, alt: str, figure: Figure, lines: list[Curve]) -> Plot:
    numbers = tables.points(lines) if lines else None
    notes = [f"{say.human(line.name)}: {line.note}" for line in lines if line.note]
    caption = " ".join([caption, *(f"{note[0].upper()}{note[1:]}." for note in notes)]).strip()
    return Plot(name, title, caption, f"{title}. {alt}", Markup(svg(figure, name)), numbers)


def _curves(summary: Summary, *paths: tuple[str, ...]) -> list[Curve]:
    return [found for path in paths if (found := curve(summary, "curves", *path)) is not None]
