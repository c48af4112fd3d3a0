"""A problem whose call fails for good is a failure of the infrastructure; the others go on, until nobody is served."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ponder import cli
from ponder.engines.remote import client
from ponder.evaluation.pools import lost_runs as losses
from ponder.evaluation.pools.pool import Live
from ponder.evaluation.pools.runs import Runs, run_live
from ponder.policy.chat import TextPropose
from ponder.search.strategies.vote import Vote
from ponder.types import EngineError, Key, Problem, Question, Verdict
from ponder.verifiers.votes import canonical_answer
from tests.engines.remote.conftest import Server

ASKED = [Problem(Question(f"p{n}", "toy", f"What is {n}?"), Key("1")) for n in (3, 7, 5, 17)]


def right(problems: Sequence[Problem], texts: Sequence[str]) -> list[Verdict]:
    return [Verdict(outcome=1.0) for _ in texts]


def runs(server: Server, fault: str, problems: Sequence[Problem] = ASKED) -> Runs:
    propose = TextPropose(server.engine(fault), canonical_answer)
    live = Live(propose, lambda _: "", right)
    return asyncio.run(run_live("vote", Vote(64, 16), problems, live, 200.0))


def ponder(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ponder", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


def test_a_lost_problem_is_neither_right_nor_wrong_and_the_others_go_on(server: Server) -> None:
    found = runs(server, "moody/a")
    assert [problem.id for problem in found.problems] == ["p3", "p5"]
    assert (found.failures, len(found.errors)) == (2, 2)
    assert all("gave no answer in 5 tries: answered 503" in error for error in found.errors)
    assert len(server.waits) >= 2 * 4  # each was asked again as often as anybody


def test_a_server_that_serves_nobody_is_one_clear_error(server: Server) -> None:
    with pytest.raises(EngineError, match=r"served none of 4 runs; the first was lost with: http.* worker died"):
        runs(server, "broken/l")


def test_a_dead_server_is_not_asked_by_everybody(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "GIVE_UP", 2)
    many = [Problem(Question(f"m{n}", "toy", f"What is {n}?"), Key("1")) for n in range(200)]
    with pytest.raises(EngineError, match=r"none of the \d+ runs that were tried, of 200"):
        runs(server, "locked/l", many)
    assert len(server.seen("locked/l")) < 200


def test_eval_counts_what_was_lost_and_says_why(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "_FIRST_WAIT", 0.001)
    model = server.url("moody/e")
    sizes = ["--problems", "arithmetic", "--limit", "12", "--strategies", "sample,vote", "--budgets", "90,200"]
    assert ponder(monkeypatch, "eval", "--model", model, *sizes, "--out", str(tmp_path)) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    lost = [row["lost"]["runs"] for row in metrics["results"]]
    assert len(set(lost)) == 1 and 0 < lost[0] < 12
    assert all(row["accuracy"]["n"] == 12 - lost[0] and row["failures"] == lost[0] for row in metrics["results"])
    assert metrics["failures"]["infrastructure"] == sum(lost)
    assert all("answered 503" in row["lost"]["errors"][0] for row in metrics["results"])
    said = " ".join(capsys.readouterr().out.split())
    assert f"{sum(lost)} runs were lost and are left out: {model.partition('#')[0]}" in said
    assert f"{sum(lost)} runs" in (tmp_path / "curves.html").read_text()


def test_eval_of_a_server_that_serves_nobody_ends_with_one_sentence(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--problems", "arithmetic", "--limit", "3", "--strategies", "sample", "--budgets", "90"]
    assert ponder(monkeypatch, "eval", "--model", server.url("locked/e"), *sizes, "--out", str(tmp_path / "o")) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "served none of 3 runs" in said and "set PONDER_API_KEY" in said and "Traceback" not in said
    assert not (tmp_path / "o" / "metrics.json").exists()
