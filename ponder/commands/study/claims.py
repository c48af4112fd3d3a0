"""What `ponder claims` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ponder.claims.claim import Claim, Trial, Verdict
from ponder.claims.page import took

STYLES = {Verdict.HELD: "green", Verdict.LIMITED: "cyan", Verdict.REFUTED: "red", Verdict.OPEN: "yellow"}


def table(claims: Sequence[Claim]) -> Table:
    """Name, verdict and claim, a row each."""
    counts = ", ".join(f"{sum(c.verdict is v for c in claims)} {v}" for v in Verdict)
    shown = Table(title=f"{len(claims)} claims: {counts}", title_justify="left")
    shown.add_column("name", no_wrap=True)  # a name is there to be copied
    shown.add_column("verdict", overflow="fold")
    shown.add_column("claim", overflow="fold")
    for claim in claims:
        shown.add_row(claim.name, Text(claim.verdict, STYLES[claim.verdict]), Text(claim.title))
    return shown


def whole(claim: Claim) -> Group:
    """All that the book says of one claim."""
    parts: list[RenderableType] = [
        Text(claim.title, "bold"),
        Text.assemble(("Verdict: ", "bold"), (claim.verdict, STYLES[claim.verdict]), f". {claim.why}"),
        _said("Claimed", claim.claimed),
        _said("Our experiment", f"{claim.experiment} {claim.seeds} seeds; {claim.hardware}."),
    ]
    if claim.others:
        parts += [Text("What others measured", "bold"), *(_item(f"{o.says} ({o.source})") for o in claim.others)]
    parts.append(beside(claim))
    if claim.settles:
        parts.append(_said("What would settle it", claim.settles))
    parts += [_said("If you train a 7B model", claim.meaning), *_commands("Reduced form", claim.reduced)]
    if claim.full is not None:
        parts += _commands("Full size", claim.full)
    return Group(*parts)


def beside(claim: Claim) -> RenderableType:
    """The figures of the book, to hold new ones against."""
    if not claim.figures:
        return Text("No figure of ours yet.")
    shown = Table(title="Figures in the book", title_justify="left")
    for column in ("figure", "value", "95 % interval", "where"):
        shown.add_column(column, overflow="fold")
    for figure in claim.figures:
        shown.add_row(*(Text(part) for part in (figure.what, figure.value, figure.interval or "-", figure.file)))
    return shown


def _said(name: str, text: str) -> Text:
    return Text.assemble((f"{name}: ", "bold"), text)


def _item(text: str) -> Padding:
    return Padding(Text(f"- {text}"), (0, 0, 0, 2))


def _commands(name: str, trial: Trial) -> list[RenderableType]:
    return [Text(f"{name} ({took(trial)})", "bold"), *(Padding(Text(c), (0, 0, 0, 2)) for c in trial.commands)]
