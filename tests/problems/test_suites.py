"""Benchmarks: rows as they are published become problems that ground truth grades, and the usual numbers come out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ponder.api.evaluating import benchmark, first_errors
from ponder.api.evaluating.benchmark import Benchmark
from ponder.api.policies import Source, load_policy
from ponder.cli import app
from ponder.problems.suites.registry import NAMES, SUITES, Published, catalogue, fetched, problems
from ponder.protocols import Until
from ponder.runlog import RunLog
from ponder.types import PonderError, Question, Step, StopReason, Trajectory, Verdict
from ponder.verifiers.truth import GroundTruth

CHECK = "def check(candidate):\n    assert candidate(2, 3) == 5\n    assert candidate(-1, 1) == 0\n"
ROWS: dict[str, list[dict[str, Any]]] = {
    "math500": [
        {"problem": "What is $1/2+1/3$?", "solution": "...", "answer": "\\frac{5}{6}", "subject": "Prealgebra",
         "level": 2, "unique_id": "test/prealgebra/1.json"},
        {"problem": "What is $7\\cdot8$?", "solution": "...", "answer": "56", "subject": "Algebra", "level": 1,
         "unique_id": "test/algebra/2.json"},
    ],
    "gsm8k": [{"question": "Ann has 1,000 pens and buys 200. How many?", "answer": "1000+200=1200\n#### 1,200"}],
    "aime": [{"ID": "2024-I-1", "Problem": "Find it.", "Solution": "...", "Answer": "073"}],
    "gpqa": [{"Question": "Which is heaviest?", "Correct Answer": "lead", "Incorrect Answer 1": "tin",
              "Incorrect Answer 2": "iron", "Incorrect Answer 3": "wood", "Record ID": "rec1"}],
    "humaneval": [{"task_id": "HumanEval/900", "prompt": "def add(a, b):\n    \"\"\"The sum.\"\"\"\n",
                   "entry_point": "add", "canonical_solution": "    return a + b\n", "test": CHECK}],
    "mbpp": [{"task_id": 601, "text": "Write a function to add two numbers.", "code": "def add(a, b):\n    return a+b",
              "test_list": ["assert add(2, 3) == 5"], "test_setup_code": "", "challenge_test_list": []}],
    "ifeval": [{"key": 1000, "prompt": "Write without commas, in small letters.",
                "instruction_id_list": ["punctuation:no_comma", "change_case:english_lowercase"],
                "kwargs": [{"relation": None}, {}]}],
}  # fmt: skip
RIGHT = {
    "gpqa": None,  # the letter hangs on the shuffled order
    "math500": "\\boxed{5/6}",
    "gsm8k": "so it is \\boxed{1200}",
    "aime": "\\boxed{73}",
    "humaneval": "```python\ndef add(a, b):\n    return a + b\n```",
    "mbpp": "```python\ndef add(a, b):\n    return a + b\n```",
    "ifeval": "all in small letters and without them",
}
WRONG = {
    "gpqa": "\\boxed{E}",
    "math500": "\\boxed{6/5}",
    "gsm8k": "\\boxed{1000}",
    "aime": "\\boxed{37}",
    "humaneval": "```python\ndef add(a, b):\n    return a - b\n```",
    "mbpp": "```python\ndef add(a, b):\n    return 5 - a\n```",
    "ifeval": "All, of it",
}


def written(folder: Path, name: str, rows: Sequence[dict[str, Any]] | None = None) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in (ROWS[name] if rows is None else rows)))
    return path


@pytest.mark.parametrize("name", SUITES)
def test_published_rows_are_graded_right_and_wrong(tmp_path: Path, name: str) -> None:
    problem = problems(SUITES[name], written(tmp_path, name))[0]
    assert problem.question.instructions == SUITES[name].instructions and problem.family == name
    right = RIGHT[name] or f"\\boxed{{{problem.key.answer}}}"
    with GroundTruth(allow_unsafe_code=True) as truth:
        verdicts = truth.grade([problem] * 2, [right, WRONG[name]])
    assert [v.outcome for v in verdicts] == [1.0, 0.0], verdicts


def test_the_order_of_choices_hangs_on_the_id_and_names_the_right_letter(tmp_path: Path) -> None:
    rows = [{**ROWS["gpqa"][0], "Record ID": f"rec{i}", "Question": f"Which, {i}?"} for i in range(40)]
    first, again = (problems(SUITES["gpqa"], written(tmp_path, "gpqa", rows)) for _ in range(2))
    assert [p.key.answer for p in first] == [p.key.answer for p in again]
    assert {p.key.answer for p in first} == set("ABCD")
    assert all(f"({p.key.answer}) lead" in p.question.text for p in first)


def test_a_row_of_another_kind_is_refused_with_file_and_line(tmp_path: Path) -> None:
    for name, row, says in (
        ("gsm8k", {"text": "x"}, "line 1: no row of gsm8k .no 'answer'"),
        ("aime", {"Problem": "x", "Answer": "1000"}, "no whole number from 0 to 999"),
        ("mbpp", {"text": "x", "test_list": "assert 1"}, "no list of texts"),
        ("ifeval", {"prompt": "x", "instruction_id_list": ["a"], "kwargs": []}, "lists of one length"),
    ):
        with pytest.raises(PonderError, match=says):
            problems(SUITES[name], written(tmp_path, name, [row]))


def test_csv_files_and_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "gpqa.csv"
    table.write_text(
        'Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3\n"a, b?",1,2,3,4\n'
    )
    assert problems(SUITES["gpqa"], table)[0].question.text.startswith("a, b?\n\n(A) ")

    class Datasets:
        @staticmethod
        def load_dataset(name: str, config: str | None) -> dict[str, list[dict[str, Any]]]:
            assert (name, config) == ("openai/gsm8k", "main")
            return {"test": ROWS["gsm8k"]}

    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("importlib.import_module", lambda name: Datasets)
    path = fetched(SUITES["gsm8k"], tmp_path / "hub")
    monkeypatch.undo()
    assert problems(SUITES["gsm8k"], path)[0].key.answer == "1200"
    assert fetched(SUITES["gsm8k"], tmp_path / "hub") == path  # not fetched again


class Scripted:
    """A policy that knows some answers; every second draw is wrong where `shaky`."""

    opens_thinking = False

    def __init__(self, said: dict[str, str], shaky: bool = False) -> None:
        self.said, self.shaky = said, shaky

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        texts = [self.said[question.id] if not (self.shaky and i % 4 == 3) else "\\boxed{0}" for i in range(n)]
        return [Step((1, 2), (0.0, 0.0), text, 0, StopReason.END) for text in texts]

    def answer(self, trajectory: Trajectory) -> str | None:
        return trajectory.text.rpartition("{")[2].rstrip("}")


def source(said: dict[str, str], shaky: bool = False) -> Source:
    return Source("scripted", Scripted(said, shaky), lambda _: "", lambda: {"generated": 0, "exact": True})


def test_the_usual_numbers(tmp_path: Path) -> None:
    said = {"test/prealgebra/1.json": "\\boxed{\\frac{5}{6}}", "test/algebra/2.json": "\\boxed{56}"}
    file = written(tmp_path, "math500")
    asked = Benchmark("math500", tmp_path / "out", file, source(said, shaky=True), samples=4, temperature=0.7)
    found = benchmark.run(asked)
    assert found["results"]["mean"]["y"] == 0.75  # one of four is wrong
    assert found["results"]["pass"]["y"] == 1.0 and found["results"]["majority"]["y"] == 1.0
    assert {name: row["y"] for name, row in found["by"].items()} == {"1": 0.75, "2": 0.75}
    assert (found["n"], found["failures"], found["cut"]) == (2, {}, 0.0)
    rows = [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]
    assert [row["outcomes"] for row in rows] == [[1.0, 1.0, 1.0, 0.0]] * 2
    with pytest.raises(PonderError, match=r"metrics\.json already"):
        benchmark.run(asked)


def test_one_greedy_answer_is_pass_at_1_and_instructions_are_counted_one_by_one(tmp_path: Path) -> None:
    said = {"1000": "All of it in small letters but one"}
    found = benchmark.run(Benchmark("ifeval", tmp_path / "out", written(tmp_path, "ifeval"), source(said)))
    assert found["results"]["mean"]["y"] == 0.0 and found["temperature"] == 0.0 and found["samples"] == 1
    told = {name: row["y"] for name, row in found["constraints"].items()}
    assert told == {"prompt_strict": 0.0, "instruction_strict": 0.5, "prompt_loose": 0.0, "instruction_loose": 0.5}
    with pytest.raises(PonderError, match="would be 4 times one answer"):
        benchmark.run(Benchmark("ifeval", tmp_path / "more", written(tmp_path, "ifeval"), source(said), samples=4))


def test_problems_that_were_trained_on_are_refused(tmp_path: Path) -> None:
    trained = tmp_path / "train.jsonl"
    row = {"id": "t", "problem": "what is $7\\cdot8$ ?", "answer": "56", "split": "train"}
    trained.write_text(json.dumps(row) + "\n")
    file = written(tmp_path, "math500")
    asked = Benchmark("math500", tmp_path / "out", file, source({}), trained_on=(str(trained),))
    with pytest.raises(PonderError, match=r"training and math500 share 1 problem: .*train.jsonl:1 = .*math500.jsonl:2"):
        benchmark.run(asked)
    run = tmp_path / "run"
    with RunLog.open(run, {"problems": ["arithmetic", f"jsonl:{trained}"]}) as log:
        log.metric(0, round=-1)
    asked = Benchmark("math500", run, model=str(run / "model"))
    with pytest.raises(PonderError, match="share 1 problem"):
        benchmark.refuse_trained(Published(SUITES["math500"], file), asked)


class Marks:
    """A verifier that says 0.9 of every step but those that hold the word "bad"."""

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return [
            Verdict(score=0.5, step_scores=tuple(0.1 if "bad" in s.text else 0.9 for s in t.steps))
            for t in trajectories
        ]


def test_processbench_f1_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "problem": "p", "steps": ["fine", "bad one", "fine"], "label": 1},
        {"id": "b", "problem": "p", "steps": ["fine", "bad one"], "label": 0},  # missed
        {"id": "c", "problem": "p", "steps": ["fine", "fine"], "label": -1},
        {"id": "d", "problem": "p", "steps": ["fine", "fine"], "first_error": None},
        {"id": "e", "problem": "p", "steps": ["bad luck"], "label": -1},  # a false alarm
        {"id": "long", "problem": "p" * 3000, "steps": ["fine"], "label": -1},
    ]
    monkeypatch.setattr(first_errors, "load_verifier", lambda folder, policy: Marks())
    found = first_errors.measure(written(tmp_path, "pb", rows), "folder", load_policy("tiny"), None, 0, "cpu")
    assert (found["n"], found["left_out"], found["flawed"]) == (5, 1, 2)
    on_flawed, on_flawless = 1 / 2, 2 / 3
    assert found["cut"]["on_flawed"]["y"] == on_flawed and found["cut"]["on_flawless"]["y"] == pytest.approx(
        on_flawless
    )
    assert found["cut"]["f1"]["y"] == pytest.approx(2 * on_flawed * on_flawless / (on_flawed + on_flawless))
    assert found["never_wrong"]["f1"]["y"] == 0.0
    for row, says in (
        ({"problem": "p", "steps": ["x"], "label": 1}, "give an index below 1"),
        ({"problem": "p", "steps": []}, "a row is"),
        ({"problem": "p", "steps": ["x"]}, "'missing'"),
    ):
        with pytest.raises(PonderError, match=says):
            first_errors.read(row, "file, line 1")
    with pytest.raises(PonderError, match="give --verifier FOLDER and --file"):
        benchmark.run(Benchmark("processbench", tmp_path / "out"))


def test_the_command_takes_its_options_and_refuses_others_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Benchmark] = []

    def run(one: Benchmark, tell: object) -> dict[str, Any]:
        asked.append(one)
        return {"suite": "gsm8k"}

    monkeypatch.setattr(benchmark, "run", run)
    words = ["eval", "--suite", "gsm8k", "--file", "f.jsonl", "--out", str(tmp_path), "--json"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert CliRunner().invoke(app, [*words, "--samples", "4", "--temperature", "0.6", "--limit", "7"]).exit_code == 0
    usual, chosen = asked
    assert (usual.samples, usual.temperature, usual.limit, usual.max_tokens) == (None, None, None, 4096)
    assert (chosen.samples, chosen.temperature, chosen.limit) == (4, 0.6, 7)
    for more, says in (
        (["--budgets", "128"], "--budgets does not go with --suite"),
        (["--resume"], "--resume does not"),
    ):
        assert says in str(CliRunner().invoke(app, [*words, *more]).exception)
    alone = CliRunner().invoke(app, ["eval", "--samples", "4", "--out", str(tmp_path)])
    assert "go with --suite" in str(alone.exception)


def test_the_list_has_them_all() -> None:
    assert [entry.name for entry in catalogue()] == list(NAMES)
