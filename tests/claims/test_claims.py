"""The book of claims: figures stand where they say, commands exist, the page is the book, and a claim can be run."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
import typer

from ponder.claims import running
from ponder.claims.book import claim, claims, parsed
from ponder.claims.claim import Claim, Trial, Verdict
from ponder.claims.page import markdown
from ponder.cli import app
from ponder.types import PonderError

ROOT = Path(__file__).parent.parent.parent
# Every claim that the project set out to settle.
WANTED = {
    "verifier-caps-best-of-n", "seventy-percent-caps-fifty", "forty-eight-to-seventy-five", "points-per-doubling",
    "train-law", "think-law", "bucket-curve-needs-no-search", "search-against-one-chain", "mcts-for-data",
    "process-against-outcome", "dual-against-unified", "verifier-as-strong-as-generator", "cloning-rlhf-self-play",
    "steps-correct-themselves", "length-must-be-regularised", "long-training-degrades", "code-helps-other-domains",
    "small-thinking-beats-large",
}  # fmt: skip
COMMANDS = sorted(
    {(c.name, command) for c in claims().values() for t in (c.reduced, c.full) if t for command in t.commands}
)


def test_every_claim_of_the_articles_is_in_the_book() -> None:
    assert set(claims()) >= WANTED


def test_the_page_is_the_book() -> None:
    written = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert written == markdown(), "run python -m ponder.claims.page > docs/claims.md"


@pytest.mark.parametrize("name", claims())
def test_every_figure_stands_in_the_file_that_it_names(name: str) -> None:
    for figure in claim(name).figures:
        text = " ".join((ROOT / figure.file).read_text(encoding="utf-8").split())
        assert " ".join(figure.text.split()) in text, (
            f"{figure.file} no longer says {figure.text!r}; bring ponder/claims/claims.toml up to date, then the page"
        )


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_exists_with_its_options(name: str, command: str) -> None:
    words = shlex.split(command)
    asked = {word for word in words if word.startswith("--")}
    if words[0] == "python":
        place = f"{words[2].replace('.', '/')}.py" if words[1] == "-m" else words[1]
        script = (ROOT / place).read_text(encoding="utf-8")
        if "from recipes import arms" in script:  # some of its options are those of all recipes that compare arms
            script += (ROOT / "recipes" / "arms.py").read_text(encoding="utf-8")
        assert {option for option in asked if f'"{option}"' not in script} == set()
        return
    assert words[0] == "ponder"
    found = typer.main.get_command(app)
    for word in words[1:]:
        if not hasattr(found, "commands"):
            break
        found = found.commands[word]
    allowed = {option for parameter in found.params for option in parameter.opts}
    assert asked - allowed == set()


def test_a_claim_without_a_verdict_says_what_would_settle_it() -> None:
    for one in claims().values():
        assert (one.verdict is Verdict.OPEN) == bool(one.settles), one.name


def entry(**changes: object) -> str:
    fields: dict[str, object] = {
        "name": "one", "title": "t", "articles": ["000"], "claimed": "c", "experiment": "e", "hardware": "h",
        "seeds": 1, "verdict": "not settled", "why": "w", "settles": "s", "meaning": "m", **changes,
    }  # fmt: skip
    lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items() if value is not None]
    return "\n".join(["[[claim]]", *lines, 'reduced = { commands = ["ponder run --out {out}"] }', ""])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[claim", "no TOML"),
        (entry(settles=None), "say in `settles` which run"),
        (entry(verdict="held", settles=None), "needs a figure of ours or a finding of others"),
        (entry(verdict="maybe"), "verdict"),
        (entry(surprise=1), "surprise"),
        (entry(name="Not A Name"), "name"),
        (entry() + entry(), "'one' twice"),
        (
            entry(figures=[]) + '[[claim.figures]]\nwhat="x"\nvalue="1"\nfile="/etc/passwd"\ntext="root"\n',
            "inside the rep",
        ),
    ],
)
def test_a_broken_book_is_refused_with_the_field_at_fault(text: str, says: str) -> None:
    with pytest.raises(PonderError, match=says):
        parsed(text.replace("figures = []\n", ""))


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(PonderError, match="Did you mean 'train-law'"):
        claim("train-low")


def one_that_runs(*commands: str) -> Claim:
    return next(iter(parsed(entry()).values())).model_copy(update={"reduced": Trial(commands=commands)})


def test_a_claim_runs_its_commands_in_order_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import pathlib, sys\nout = pathlib.Path(sys.argv[1])\n(out / sys.argv[2]).open('a').write('x')\n"
        "sys.exit(sys.argv[2] == 'second' and not (out / 'mended').exists())\n"
    )
    found = one_that_runs(*(f"python {script} {{out}} {name}" for name in ("first", "second", "third")))
    out = tmp_path / "out"
    told: list[str] = []
    with pytest.raises(PonderError, match="command 2 of 3 ended with status 1"):
        running.run(found, out, full=False, tell=told.append)
    assert len(told) == 2 and not (out / "third").exists()
    assert told[0] == f"python {script} {out} first"
    (out / "mended").touch()
    running.run(found, out, full=False, tell=told.append)
    assert [(out / name).read_text() for name in ("first", "second", "third")] == ["x", "xx", "x"]
    running.run(found, out, full=False, tell=told.append)
    assert len(told) == 4
    with pytest.raises(PonderError, match="results of other commands"):
        running.run(one_that_runs("python other.py {out}"), out, full=False, tell=told.append)


def test_a_run_that_was_begun_is_resumed_and_other_commands_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").touch()
    words = running.arguments("ponder run --out {out}/run", tmp_path)
    assert words == [sys.executable, "-m", "ponder", "run", "--out", str(tmp_path / "run")]
    assert running._resuming(words, tmp_path)[-1] == "--resume"
    fresh = running.arguments("ponder run --out {out}/new", tmp_path)
    assert running._resuming(fresh, tmp_path) == fresh
    script = running.arguments("python a.py --out {out}/run", tmp_path)
    assert running._resuming(script, tmp_path) == script


def test_there_is_no_larger_form_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match="no larger form"):
        running.trial(one_that_runs("ponder run"), full=True)
    with pytest.raises(PonderError, match="begins with ponder or python"):
        running.arguments("rm -rf x", tmp_path)
