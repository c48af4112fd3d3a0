"""What users add by name: families, verifiers, engines, strategies; the catalogue shows it, a wrong name is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import ponder
from ponder.api.catalogue import ROOMS
from ponder.catalogue import Entry, Setting, flat_settings, of_settings
from ponder.config import Strict
from ponder.search.registry import STRATEGIES
from ponder.search.session.choose import Candidate
from ponder.search.session.session import SearchSession
from ponder.search.session.within_budget import draw
from ponder.search.strategy import Thinking
from ponder.types import PonderError


class Inner(Strict):
    """Inside."""

    rate: float = 0.5


class Example(Strict):
    """What an example does.

    More about it.
    """

    source: ClassVar[str] = "arXiv 2203.11171"
    needs: ClassVar[tuple[str, ...]] = ("a verifier",)
    kind: str = "example"
    size: int
    names: tuple[str, ...] = ("a", "b")
    inner: Inner = Inner()


def test_settings_classes_become_entries() -> None:
    [entry] = of_settings([Example])
    assert entry == Entry(
        "example",
        "What an example does.",
        "arXiv 2203.11171",
        ("a verifier",),
        (
            Setting("size", "int", None, required=True),
            Setting("names", "tuple[str, ...]", ["a", "b"]),
            Setting("inner", "Inner", {"rate": 0.5}),
        ),
    )
    assert of_settings({"other": Inner})[0].name == "other" and of_settings({"other": Inner})[0].source == ""
    assert [row["key"] for row in flat_settings(Example)] == ["kind", "size", "names", "inner.rate"]


@pytest.mark.parametrize("what", ROOMS)
def test_every_room_lists_entries_that_say_what_they_are(what: str) -> None:
    entries = ponder.available(what)
    assert len({entry.name for entry in entries}) == len(entries) > 1
    assert all(entry.summary.endswith(".") for entry in entries)


def test_strategies_are_listed_with_paper_settings_and_need() -> None:
    entries = {entry.name: entry for entry in ponder.available("strategies")}
    assert entries.keys() == STRATEGIES.keys()
    assert entries["best_of_n"].needs == ("verifier",) and entries["vote"].needs == ()
    assert entries["vote"].source == "arXiv 2203.11171"
    assert Setting("n_max", "int", 256) in entries["vote"].settings
    with pytest.raises(PonderError, match=r"unknown list 'strategy'\. Did you mean 'strategies'"):
        ponder.available("strategy")


def test_a_strategy_of_ones_own_is_found_by_name() -> None:
    @ponder.register_strategy("first_two")
    @dataclass(frozen=True)
    class FirstTwo(Thinking):
        """Draws two."""

        async def think(self, session: SearchSession) -> list[Candidate]:
            return session.candidates(await draw(session, 2))

    try:
        thought = ponder.think("Compute 1+1.", "tiny", strategy="first_two", budget=400, max_tokens=64)
        assert len(thought.result.trajectories) == 2
        with pytest.raises(PonderError, match="strategy 'vote' is there already"):
            ponder.register_strategy("vote")(FirstTwo)
    finally:
        del STRATEGIES["first_two"]


def test_names_that_are_taken_or_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match="engine 'vllm' is there already"):
        ponder.register_engine("vllm")
    with pytest.raises(PonderError, match="verifier 'self-check' is there already"):
        ponder.register_verifier("self-check")
    with pytest.raises(PonderError, match=r"problem family 'a\?b': a name is made of letters"):
        ponder.register_family("a?b")
    with pytest.raises(PonderError, match="problem family 'bare': Bare is no dataclass; put @dataclass above it"):
        ponder.register_family("bare")(type("Bare", (), {}))
    with pytest.raises(PonderError, match="no such file"):
        ponder.load_plugin(tmp_path / "none.py")
    with pytest.raises(PonderError, match="no such folder; give the folder of a trained verifier, or self-check"):
        ponder.load_verifier("nothing", ponder.load_policy("tiny"))


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "tpu"])
def test_a_device_that_is_none_is_refused_by_name(device: str) -> None:
    with pytest.raises(PonderError, match=f"device '{device}' is unknown; allowed are cpu, cuda and cuda:N"):
        ponder.load_policy("tiny", device=device)


def test_grading_takes_answers_and_problems() -> None:
    verdicts = ponder.grade(["1/2", "7"], ["\\boxed{0.5}", "\\boxed{8}"])
    assert [v.outcome for v in verdicts] == [1.0, 0.0]
    problems = ponder.load_problems("countdown", limit=2)
    right = [f"</think>{problem.key.answer}" for problem in problems]
    assert [v.outcome for v in ponder.grade(problems, right)] == [1.0, 1.0]
    with pytest.raises(PonderError, match="1 responses for 2 keys"):
        ponder.grade(problems, right[:1])
