"""The tab key: names of strategies, benchmarks, methods and claims, behind a comma too."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from ponder.cli import app
from ponder.commands.options.shared import completed


def offered(line: str) -> list[str]:
    words = line.split(" ")
    asked = {"_PONDER_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return CliRunner().invoke(app, [], prog_name="ponder", env=asked).stdout.split()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("ponder ev", ["eval"]),
        ("ponder eval --strat", ["--strategies"]),
        ("ponder eval --strategies sample,vo", ["sample,vote"]),
        ("ponder eval --suite hu", ["humaneval"]),
        ("ponder solve --strategy weighted", ["weighted_vote"]),
        ("ponder run --preset dap", ["dapo"]),
        ("ponder list pres", ["presets"]),
        ("ponder claims show train", ["train-law"]),
    ],
)
def test_what_is_offered(line: str, names: list[str]):
    assert offered(line) == names


def test_behind_the_last_comma():
    offer = completed(lambda: ("sample", "vote"))
    assert offer("") == ["sample", "vote"]
    assert offer("vote,s") == ["vote,sample"]
    assert offer("x") == []
