"""docs/claims.md, made of the book: `python -m ponder.claims.page > docs/claims.md`. A test keeps the two equal."""

from __future__ import annotations

from collections.abc import Iterable

from ponder.claims.book import claims
from ponder.claims.claim import Claim, Figure, Trial, Verdict

HEAD = """# Claims

What five articles on thinking models claimed, what others measured, what we measured, and what it means for somebody
who trains a model of 7B parameters. This page is made of `ponder/claims/claims.toml` (`python -m ponder.claims.page >
docs/claims.md`); a test fails when they differ, when a figure no longer stands in the file it names, and when a command
has an option that does not exist.

```
ponder claims list
ponder claims show verifier-caps-best-of-n
ponder claims run verifier-caps-best-of-n      # the reduced form; --full for the whole, --dry-run to see the commands
```

**How far our figures reach.** Nearly all are of the embedded model (0.6 million parameters; arithmetic, ciphers,
countdown), where an experiment takes minutes and can be repeated by anybody. They test mechanisms: what a cap depends
on, whether a curve goes on rising, what is paid for what. They do not tell how large an effect is at 7B. Intervals are
95 %, over problems unless said otherwise. Findings of others are compared by shape and sign only: their prompts,
graders and temperatures differ from ours.

"""


def markdown() -> str:
    """The whole page."""
    some = list(claims().values())
    return "\n".join([HEAD + _overview(some), *map(_section, some)])


def _overview(some: Iterable[Claim]) -> str:
    rows = [f"| [{_cell(c.title)}](#{c.name}) | {c.verdict} | {_cell(c.why)} |" for c in some]
    return "\n".join(["| claim | verdict | why |", "|---|---|---|", *rows, ""])


def _section(claim: Claim) -> str:
    lines = [
        f'## <a id="{claim.name}"></a>{claim.title}',
        "",
        f"**Claimed** (article {', '.join(claim.articles)}): {claim.claimed}",
        "",
        f"**Verdict: {claim.verdict}.** {claim.why}",
        "",
    ]
    if claim.others:
        lines += ["What others measured:", "", *(f"- {o.says} ({o.source})" for o in claim.others), ""]
    lines += [f"Our experiment: {claim.experiment}", "", _cost(claim), ""]
    if claim.figures:
        lines += ["| figure | value | 95 % interval | where |", "|---|---|---|---|", *map(_figure, claim.figures), ""]
    else:
        lines += ["No figure of ours yet.", ""]
    if claim.verdict is Verdict.OPEN:
        lines += [f"**What would settle it:** {claim.settles}", ""]
    lines += [f"**If you train a 7B model:** {claim.meaning}", "", *_commands("Reduced", claim.reduced)]
    if claim.full is not None:
        lines += _commands("Full size", claim.full)
    return "\n".join(lines)


def _figure(figure: Figure) -> str:
    return f"| {_cell(figure.what)} | {_cell(figure.value)} | {_cell(figure.interval) or '-'} | `{figure.file}` |"


def _cost(claim: Claim) -> str:
    seeds = "no run of ours" if not claim.seeds else f"{claim.seeds} seed{'s' if claim.seeds > 1 else ''}"
    took = f", {claim.seconds:,.0f} seconds" if claim.seconds is not None else ""
    return f"Made with {seeds}{took}; {claim.hardware}."


def took(trial: Trial) -> str:
    """How long the commands of a trial take, in words."""
    if trial.minutes is None:
        return "time not known"
    return f"{'about ' if trial.estimated else ''}{trial.minutes:g} minutes"


def _commands(name: str, trial: Trial) -> list[str]:
    return [f"{name} ({took(trial)}):", "", "```", *trial.commands, "```", ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201  # a script that writes a page
