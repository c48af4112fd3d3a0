"""`ponder eval --environment`, on an engine that follows a script: how right after which turn, and what was paid."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ponder.api.evaluating.acted import Acted, environment_of
from ponder.api.evaluating.episodes import run
from ponder.api.policies import Source
from ponder.cli import app
from ponder.environments import Repair, Retry
from ponder.environments.retry import WRONG
from ponder.types import Key, PonderError, Problem, Question, Verdict
from tests.rollout.test_acting import Sees
from tests.rollout.test_episodes import CODEC, policy


@dataclass(frozen=True)
class Digits:
    """Problem i asks for the digit i."""

    name: str = "digits"
    level: int = 0

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        i = index % 8
        return Problem(Question(f"digit-{i}", self.name, f"Guess digit number {i}."), Key(str(i)))

    def grade(self, problem: Problem, response: str) -> Verdict:
        if response.endswith("?"):
            return Verdict(failure="timeout")
        return Verdict(outcome=float(response.endswith(f"</think>{problem.key.answer}")))

    def near_misses(self, problem: Problem) -> list[str]:
        return ["</think>x"]


def in_turn(prompt: str, rng: Any) -> str:
    """Problem i is answered rightly in turn 1 + i % 4, so a quarter of them never in three turns."""
    i, turn = int(re.findall(r"number (\d)", prompt)[0]), prompt.count("<assistant>")
    return f"so\n</think>{i if turn == 1 + i % 4 else 'x'}"


def source(script: Any) -> Source:
    propose = policy(script)
    return Source("scripted", propose, CODEC.decode, lambda: {"generated": 0, "exact": True})


def measured(tmp_path: Path, script: Any, **options: Any) -> dict[str, Any]:
    asked = {"environment": "retry?turns=3", "limit": 8, "max_tokens": 400, **options}
    return run(Acted(out=tmp_path / "out", model=source(script), problems=Digits(), **asked))


def test_the_outcome_after_every_turn_and_the_tokens_with_what_was_read(tmp_path: Path) -> None:
    metrics = measured(tmp_path, in_turn, samples=2)
    [row] = metrics["results"]
    assert [turn["accuracy"]["y"] for turn in row["turns"]] == [0.25, 0.5, 0.75]
    assert row["accuracy"]["y"] == 0.75 and row["accuracy"]["n"] == 8
    assert [turn["reached"] for turn in row["turns"]] == [1.0, 0.75, 0.5]
    said = len(CODEC.encode("so\n</think>3")) + 1
    read = sum(map(len, (CODEC.encode("<user>"), CODEC.encode_plain(WRONG.format(why="")))))
    read += len(CODEC.encode("<assistant><think>\n"))
    assert row["turns"][0]["tokens"] == said and row["turns"][0]["read"] == 0
    assert row["turns"][1]["read"] == 0.75 * read and row["turns"][2]["read"] == row["read"] == 1.25 * read
    assert row["tokens"] == row["spent"] == 2.25 * said + 1.25 * read
    kept = [json.loads(line) for line in (tmp_path / "out/episodes.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(kept) == 16 and kept[0]["outcomes"] == [1.0] and kept[-1]["outcomes"] == [0.0] * 3
    assert json.loads((tmp_path / "out/metrics.json").read_text(encoding="utf-8"))["results"] == metrics["results"]


def test_what_could_not_be_graded_is_counted_and_in_no_outcome(tmp_path: Path) -> None:
    def script(prompt: str, rng: Any) -> str:
        return "so\n</think>?" if "number 3" in prompt else in_turn(prompt, rng)

    [row] = measured(tmp_path, script)["results"]
    assert row["failures"] == {"timeout": 1} and row["accuracy"]["n"] == 7
    assert row["accuracy"]["y"] == pytest.approx(6 / 7)


def test_a_search_with_a_judge_that_knows_chooses_the_right_episode(tmp_path: Path) -> None:
    def guess(prompt: str, rng: Any) -> str:
        """Blindly; and nobody says here that the first answer was right."""
        return ("" if prompt.endswith("so\n") else "so\n") + f"</think>{rng.randrange(8)}"

    asked = {"environment": "second_look", "budgets": (1500.0,), "max_tokens": 200}
    vote = measured(tmp_path / "vote", guess, strategies=("vote",), **asked)["results"][0]
    best = measured(tmp_path / "beam", guess, strategies=("beam",), verifier=Sees(shift=0), **asked)["results"][0]
    assert best["accuracy"]["y"] > vote["accuracy"]["y"] + 0.2
    for row in (vote, best):
        usage = row["usage"]
        assert usage["kept"] + usage["discarded"] + usage["verifier"] == pytest.approx(8 * row["spent"])
        assert row["spent"] <= 1500
        assert row["turns"][-1]["accuracy"] == row["accuracy"]


def test_every_environment_that_can_tell_the_outcome_of_a_turn_is_asked_to() -> None:
    assert environment_of("repair?turns=2") == Repair(turns=2, each_turn=True)
    assert environment_of(Retry(turns=2)) == Retry(turns=2) == environment_of("retry?turns=2")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"environment": "retri"}, "unknown environment 'retri'. Did you mean 'retry'"),
        ({"environment": "retry?turnz=3"}, "did you mean environment.turns"),
        ({"environment": "match"}, "several answers come about together"),
        ({"strategies": ("vote",)}, "give --strategies and --budgets, or none of them"),
        ({"strategies": ("beam",), "budgets": (900.0,)}, "strategy beam needs a verifier"),
        ({"strategies": ("vote",), "budgets": (9.0,)}, "smaller than one episode"),
        ({"strategies": ("vote",), "budgets": (900.0,), "samples": 2}, "--samples are plain episodes"),
        ({"environment": "repair"}, "has no list of tests to show"),
    ],
)
def test_what_cannot_be_played_is_said_in_a_sentence(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PonderError, match=re.escape(sentence)):
        measured(tmp_path, in_turn, **options)


def test_the_command_plays_and_prints_a_table(tmp_path: Path) -> None:
    arguments = ["--environment", "second_look", "--problems", "arithmetic", "--limit", "2", "--threads", "1"]
    done = CliRunner().invoke(app, ["eval", *arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "second_look: 2 test problems" in done.output and "reached" in done.output
    refused = CliRunner().invoke(app, ["eval", *arguments, "--live", "--out", str(tmp_path / "other")])
    assert "--live does not go with --environment" in str(refused.exception)


def numbers(row: dict[str, Any]) -> dict[str, Any]:
    """A result without what the clock decides."""
    kept = {name: value for name, value in row.items() if name not in ("seconds", "usage")}
    return {**kept, "usage": {name: value for name, value in row["usage"].items() if name != "seconds"}}


def cut(file: Path, rows: int, torn: str = "") -> None:
    """What a kill leaves: the first rows of a journal, and a part of the next."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    assert rows < len(lines)
    file.write_text("".join(lines[:rows]) + torn, encoding="utf-8")


class Dead(BaseException):
    """The process is gone."""


def killed_after(calls: int, script: Any) -> Any:
    """A script that ends everything in its `calls`-th draw."""
    left = [calls]

    def follow(prompt: str, rng: Any) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise Dead
        return str(script(prompt, rng))

    return follow


def test_episodes_that_were_stopped_go_on_to_the_same_numbers(tmp_path: Path) -> None:
    whole = measured(tmp_path / "whole", in_turn, samples=2)
    with pytest.raises(Dead):
        measured(tmp_path / "cut", killed_after(13, in_turn), samples=2)
    drawn = []

    def counted(prompt: str, rng: Any) -> str:
        drawn.append(prompt)
        return in_turn(prompt, rng)

    resumed = measured(tmp_path / "cut", counted, samples=2, resume=True)
    assert [numbers(row) for row in resumed["results"]] == [numbers(row) for row in whole["results"]]
    assert resumed["resumed"] and not whole["resumed"]
    assert 0 < len(drawn) < 36  # 16 first turns, 12 second and 8 third ones: some were kept
    again = measured(tmp_path / "cut", killed_after(0, in_turn), samples=2, resume=True)
    assert [numbers(row) for row in again["results"]] == [numbers(row) for row in whole["results"]]


def test_wherever_the_journal_ends_the_numbers_are_the_same(tmp_path: Path) -> None:
    """Between two episodes of one problem too, and in the middle of a line."""
    whole = measured(tmp_path, in_turn, samples=2)
    for rows in (1, 6):
        (tmp_path / "out/metrics.json").unlink()
        cut(tmp_path / "out/episodes.jsonl", rows, torn='{"key": "plain N')
        resumed = measured(tmp_path, in_turn, samples=2, resume=True)
        assert numbers(resumed["results"][0]) == numbers(whole["results"][0])
        kept = [json.loads(line) for line in (tmp_path / "out/episodes.jsonl").read_text(encoding="utf-8").splitlines()]
        assert len({(row["id"], row["member"]) for row in kept}) == len(kept) == 16


def test_a_search_that_was_stopped_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    asked = {"strategies": ("vote",), "budgets": (600.0, 900.0), "max_tokens": 200}
    whole = measured(tmp_path, in_turn, **asked)
    cut(tmp_path / "out/episodes.jsonl", 11)
    drawn = []

    def counted(prompt: str, rng: Any) -> str:
        drawn.append(prompt)
        return in_turn(prompt, rng)

    resumed = measured(tmp_path, counted, resume=True, **asked)
    assert [numbers(row) for row in resumed["results"]] == [numbers(row) for row in whole["results"]]
    asked_for = {re.findall(r"number (\d)", prompt)[0] for prompt in drawn}
    assert len(asked_for) == 5  # those of the second budget that had no row


def test_another_setting_is_refused_by_name(tmp_path: Path) -> None:
    measured(tmp_path, in_turn)
    with pytest.raises(PonderError, match="is not empty; continue it with --resume"):
        measured(tmp_path, in_turn)
    with pytest.raises(PonderError, match=r"environment.turns was 3 and is now 2"):
        measured(tmp_path, in_turn, environment="retry?turns=2", resume=True)
    with pytest.raises(PonderError, match=r"samples was 1 and is now 2"):
        measured(tmp_path, in_turn, samples=2, resume=True)
    fresh = measured(tmp_path, in_turn, samples=2, overwrite=True)
    assert fresh["results"][0]["episodes"] == 16 and not fresh["resumed"]


def test_the_page_has_the_accuracy_by_turn_and_by_budget(tmp_path: Path) -> None:
    measured(tmp_path / "plain", in_turn)
    page = (tmp_path / "plain/out/curves.html").read_text(encoding="utf-8")
    assert "Accuracy by turn" in page and "plain: 25.0\N{NO-BREAK SPACE}% to 75.0\N{NO-BREAK SPACE}%" in page
    asked = {"strategies": ("vote",), "budgets": (600.0, 900.0), "max_tokens": 200}
    measured(tmp_path / "searched", in_turn, **asked)
    page = (tmp_path / "searched/out/curves.html").read_text(encoding="utf-8")
    assert "vote at 600" in page and "Accuracy against tokens" in page
    assert (tmp_path / "searched/out/curves.png").is_file()
