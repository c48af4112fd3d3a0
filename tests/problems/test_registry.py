"""Specs: what each form means, and what is refused with which help."""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.cipher import Cipher
from ponder.problems.families.countdown import Countdown
from ponder.problems.files.jsonl import Jsonl
from ponder.problems.gym.family import Gym
from ponder.problems.listing import listed, listed_gym, shown
from ponder.problems.registry import FAMILIES, parse, parse_many
from ponder.problems.selfcheck import check
from ponder.types import Key, PonderError, Problem, Question, Verdict


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps({"id": i, "problem": f"{i}?", "answer": str(i)}) + "\n" for i in range(60)))
    return path


def test_a_spec_names_a_family_and_its_parameters() -> None:
    assert parse("countdown") == Countdown()
    assert parse("arithmetic?terms=4&largest=20") == Arithmetic(terms=4, largest=20)
    assert parse(" cipher?words=2 ") == Cipher(words=2)
    assert parse("gym:chain_sum?max_terms=3") == Gym("chain_sum", {"max_terms": 3}, 0, parse("gym:chain_sum").levels)  # type: ignore[attr-defined]


def test_a_file_is_named_with_its_path(file: Path) -> None:
    family = parse(f"jsonl:{file}?split=all&verifier=math")
    assert isinstance(family, Jsonl)
    assert (family.name, len(family), family.size("test")) == ("f", 60, 60)


def test_commas_join_families(file: Path) -> None:
    names = [family.name for family in parse_many(f"countdown,arithmetic?terms=3, jsonl:{file}")]
    assert names == ["countdown", "arithmetic", "f"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("countdwn", "unknown problem family 'countdwn'. Did you mean 'countdown'.*Allowed are: arithmetic, "),
        ("", "unknown problem family ''. Allowed are"),
        ("arithmetic?term=4", "unknown parameter of arithmetic 'term'. Did you mean 'terms'.*Allowed are: "),
        ("arithmetic?terms=four", "arithmetic: terms=four; a value like 6 is due"),
        ("arithmetic?terms=4.5", "a value like 6 is due"),
        ("arithmetic?terms=true", "a value like 6 is due"),
        ("arithmetic?terms=1", "allowed are 2 to 40"),
        ("arithmetic?terms", "'terms' is not one key=value"),
        ("arithmetic?terms=2&terms=3", "'terms=3' is not one key=value"),
        ("arithmetic?name=x", "unknown parameter of arithmetic 'name'"),
        ("arithmetic:4", "write arithmetic without a colon"),
        ("gym", "write gym:TASK"),
        ("gym:", "write gym:TASK"),
        ("gym:nonsense_task", "unknown reasoning-gym task"),
        ("jsonl", "write jsonl:PATH"),
        ("jsonl:/no/such/file", "cannot read /no/such/file"),
        ("jsonl:x?split=dev", "unknown split 'dev'"),
        ("jsonl:x?verifier=mth", "unknown verifier 'mth'. Did you mean 'math'"),
    ],
)
def test_a_wrong_spec_is_refused_with_help(spec: str, message: str) -> None:
    with pytest.raises(PonderError, match=message):
        parse(spec)


@pytest.mark.parametrize("spec", ["", "countdown,", ",", "countdown,,cipher"])
def test_a_gap_between_commas_is_refused(spec: str) -> None:
    with pytest.raises(PonderError, match="a family is missing"):
        parse_many(spec)


def test_one_name_twice_is_refused_because_results_are_kept_by_name() -> None:
    with pytest.raises(PonderError, match="arithmetic is there twice"):
        parse_many("arithmetic?terms=3,cipher,arithmetic")


def test_the_hub_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PonderError, match=r"pip install -e '\.\[hub\]'"):
        parse("hf:openai/gsm8k")


def test_the_hub_reads_columns_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Part(list[dict[str, Any]]):
        column_names = ["question", "answer"]

    part = Part({"question": f"{i}?", "answer": f"so #### {i}"} for i in range(5))
    fake = SimpleNamespace(load_dataset=lambda name, config: {"train": part})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(importlib, "import_module", lambda name: fake)
    family = parse("hf:some/set?after=####")
    answers = {family.problem(i).key.answer for i in range(5)}
    assert answers == {"0", "1", "2", "3", "4"}
    assert family.problem(7) == family.problem(2)
    with pytest.raises(PonderError, match="unknown split of hf:some/set 'test'"):
        family.problem(0, split="test")
    with pytest.raises(PonderError, match=r"'anwser'\. Did you mean 'answer'"):
        parse("hf:some/set?answer=anwser")


def test_every_family_is_listed_with_parameters_and_a_sample() -> None:
    rows = {row["spec"]: row for row in listed()}
    assert set(rows) == {f"{name}:{entry.target}" if entry.target else name for name, entry in FAMILIES.items()}
    assert rows["arithmetic"]["parameters"] == {"terms": Arithmetic.terms, "largest": Arithmetic.largest}
    assert rows["countdown"]["sample"].startswith("Make ")
    assert all(row["summary"].endswith(".") for row in rows.values())
    assert json.dumps(listed())


def test_every_gym_task_is_listed_and_the_refused_one_says_why() -> None:
    rows = {row["spec"]: row for row in listed_gym()}
    assert rows["gym:chain_sum"]["parameters"]["max_terms"] == 6
    assert "mixes" in rows["gym:composite"]["refused"]
    assert json.dumps(listed_gym())


def test_problems_are_shown_with_their_answers() -> None:
    data = shown("cipher?words=1", 2, split="validation", seed=5)
    assert (data["name"], data["level"], data["grades_itself"], data["has_levels"]) == ("cipher", 1, True, True)
    first = data["problems"][0]
    assert first["question"] == parse("cipher?words=1").problem(0, split="validation", seed=5).question.text
    assert first["demonstration"].count("</think>") == 1
    assert len(data["problems"]) == 2
    with pytest.raises(PonderError, match="n=0"):
        shown("cipher", 0)


class Broken(Arithmetic):
    """Refuses its gold, accepts anything else, and never asks the same twice."""

    calls = [0]

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        self.calls[0] += 1
        question = Question(f"{split}{index}", "broken", "the same everywhere", str(self.calls[0]))
        return Problem(question, Key("1", {"expression": "1"}))

    def grade(self, problem: Problem, response: str) -> Verdict:
        return Verdict(outcome=float(response != "1"), detail=str(len(self.calls)))


def test_the_self_check_finds_what_is_broken() -> None:
    faults = "\n".join(check(Broken(), n=1).faults)
    for said in ("a second draw differs", "in two splits", "right answer refused: '1'", "near miss accepted: '2'"):
        assert said in faults


def test_a_family_without_a_grader_is_checked_with_the_one_handed_in(file: Path) -> None:
    def same(problem: Problem, response: str) -> Verdict:
        return Verdict(outcome=float(response.split("</think>")[-1].strip() == problem.key.answer))

    family = parse(f"jsonl:{file}")
    assert check(family, n=3, grade=same).ok
    assert not check(family, n=3, grade=lambda problem, response: Verdict(outcome=1.0)).ok
    with pytest.raises(PonderError, match="hand in the verifier"):
        check(family, n=3)


def test_what_has_no_gold_answer_is_counted_and_not_called_fine(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({"id": 1, "problem": "x", "constraints": [1]}))
    report = check(parse(f"jsonl:{path}?split=all"), n=1, grade=lambda p, r: Verdict(outcome=0.0), splits=("test",))
    assert (report.faults, report.without_gold, report.ok) == ((), 1, False)


def test_the_hub_package_is_looked_for_under_its_own_name() -> None:
    if importlib.util.find_spec("datasets") is None:
        with pytest.raises(PonderError, match="datasets"):
            parse("hf:some/set")
