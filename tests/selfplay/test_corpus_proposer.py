"""Questions about a passage: grounded word for word, no leaks, and the solver never sees the passage."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ponder.engines.loop import run as run_async
from ponder.problems.files.corpus import Corpus
from ponder.selfplay.curriculum import Curriculum
from ponder.selfplay.proposer.forms.corpus import SHOWN, CorpusForm, leaks
from ponder.selfplay.proposer.forms.form import Refused, asked, drafted
from ponder.selfplay.proposer.make import forms_of
from ponder.selfplay.proposer.settings import FromProposer
from ponder.selfplay.proposer.source import ProposerSource
from ponder.types import Problem, Question
from tests.selfplay import test_loop as loop
from tests.selfplay.test_proposer import Scripted, answered

PASSAGE = "The bridge of Avila was opened in 1872. It crosses the river Adaja and has 9 arches."
ROWS = (
    (PASSAGE, "train"),
    ("The tower of Sora was built in 1204 beside the Liri.", "train"),
    ("It rains on 112 days of the year in Tarn.", "validation"),
    ("The bell of Sora weighs 3,400 kilograms.", "test"),
)


@pytest.fixture
def family(tmp_path: Path) -> Corpus:
    path = tmp_path / "facts.jsonl"
    path.write_text("".join(json.dumps({"text": text, "split": split}) + "\n" for text, split in ROWS))
    return Corpus(path)


def about(form: CorpusForm, text: str) -> Any:
    return form.read_about(Question("q", "propose facts", SHOWN + PASSAGE), text)


def test_a_grounded_question_becomes_a_problem_without_its_passage(family: Corpus) -> None:
    (form,) = forms_of([family])
    draft = about(form, "Question: When was the bridge of Avila opened?\nAnswer: 1872.")  # type: ignore[arg-type]
    assert (draft.text, draft.key.answer) == ("When was the bridge of Avila opened?", "1872")
    problem = Problem(Question("x", family.name, draft.text), draft.key)
    assert family.grade(problem, "</think>1872").outcome == 1.0
    assert family.grade(problem, "</think>1871").outcome == 0.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("When was the bridge opened?", "unparsable"),
        ("Question: When was it opened? And why?\nAnswer: 1872", "unparsable"),
        ("Question: When was the bridge opened?\nAnswer: 1872\nIt is old.", "unparsable"),
        ("Question: When was the bridge opened\nAnswer: 1872", "unparsable"),
        ("Question: When was the bridge opened?\nAnswer: 1873", "ungrounded"),
        ("Question: When was the bridge opened?\nAnswer: 187", "ungrounded"),
        ("Question: Which river does it cross?\nAnswer: ADAJA", "ungrounded"),
        ("Question: What was opened in 1872?\nAnswer: bridge of Avila was opened in 1872", "too_large"),
        ("Question: Does it cross a river?\nAnswer: yes", "trivial"),
        ("Question: Which?\nAnswer: Adaja", "trivial"),
        ("Question: What does the river Adaja have over it, the bridge of Avila?\nAnswer: bridge of Avila", "leaked"),
        ("Question: Which year does the text name?\nAnswer: 1872", "dependent"),
        ("Question: According to this, how many arches are there?\nAnswer: 9", "dependent"),
    ],
)
def test_a_bad_question_has_its_type(family: Corpus, text: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        about(CorpusForm(family), text)
    assert refused.value.reason == reason


def test_a_passage_of_another_split_makes_no_training_problem(family: Corpus) -> None:
    held = Question("q", "propose facts", SHOWN + "The bell of Sora weighs 3,400 kilograms.")
    with pytest.raises(Refused) as refused:
        drafted(CorpusForm(family), held, "Question: How heavy is the bell of Sora?\nAnswer: 3,400")
    assert refused.value.reason == "held_out"
    with pytest.raises(Refused):
        CorpusForm(family).read("Question: How heavy is the bell?\nAnswer: 3,400")


def test_only_training_passages_are_shown(family: Corpus) -> None:
    shown = {asked(CorpusForm(family), number, 7).text for number in range(8)}
    assert shown == {SHOWN + text for text, split in ROWS if split == "train"}


def test_an_answer_leaks_where_all_its_words_stand_in_the_question() -> None:
    assert leaks("Who built the Avila bridge?", "Bridge, Avila")
    assert not leaks("Who built the bridge?", "Avila")


def made(family: Corpus, say: Any, **settings: Any) -> ProposerSource:
    rest = Curriculum([family], seed=0)
    return ProposerSource(FromProposer(**settings), forms_of([family]), Scripted(say), rest, seed=0)


def test_refusals_are_counted_and_earn_nothing_and_the_solver_sees_the_question_alone(family: Corpus) -> None:
    said = iter(
        [
            "</think>Question: When was the bridge of Avila opened?\nAnswer: 1872",
            "</think>Question: When was the bridge opened?\nAnswer: 1999",
            "</think>Question: Is Adaja the river it crosses?\nAnswer: Adaja",
            "</think>no idea",
        ]
    )
    source = made(family, lambda rng: next(said), share=0.5, proposals=4, attempts=1.0)
    problems: list[Problem] = run_async(source.next(8))
    (proposed,) = [p for p in problems if "-proposed-" in p.id]
    assert PASSAGE not in proposed.question.text + proposed.question.instructions
    assert len(problems) == 8  # gaps of the corpus fill the places
    source.observe([answered(proposed, 1.0, 0.0)])
    (group,), metrics = source.lessons()
    assert [verdict.outcome for verdict in group.verdicts] == [1.0, 0.0, 0.0, 0.0]
    refused = {name: metrics[f"proposer/{name}"] for name in ("ungrounded", "leaked", "unparsable")}
    assert refused == {"ungrounded": 0.25, "leaked": 0.25, "unparsable": 0.25}


def test_a_solver_that_never_knows_pays_the_proposer_nothing(family: Corpus) -> None:
    source = made(
        family,
        lambda rng: f"</think>Question: How many arches, number {rng.random()}, are there?\nAnswer: 9",
        share=0.5,
        proposals=2,
    )
    problems: list[Problem] = run_async(source.next(4))
    source.observe([answered(p, 0.0, 0.0) for p in problems])
    groups, _ = source.lessons()
    assert {v.outcome for g in groups for v in g.verdicts} == {0.0}


def test_a_round_of_the_loop_learns_from_questions_about_passages(family: Corpus) -> None:
    def script(prompt: str, rng: random.Random) -> str:
        if SHOWN in prompt:
            name = "1872" if PASSAGE in prompt else "1204"
            return f"</think>Question: When was it made, {rng.randint(0, 10**6)} times?\nAnswer: {name}"
        return f"</think>{'1872' if rng.random() < 0.5 else 'unknown'}"

    play = loop.play(script=script, sampling={"problems": 6, "group_size": 4, "max_tokens": 90})
    play.grade = lambda some, said: [family.grade(p, s) for p, s in zip(some, said, strict=True)]
    play.watch.grade = play.grade
    rest = Curriculum([family], seed=0)
    play.source = ProposerSource(FromProposer(), forms_of([family]), play.generator.propose, rest, seed=0)
    play.ladder = [family.problem(0, split="validation")]
    row = play.play(0)
    learned = {sample.id.partition("#")[0] for update in loop.recorded(play).updates for sample in update}
    assert any(id.startswith("propose-facts") for id in learned)
    assert {"proposer/ungrounded", "proposer/leaked", "proposer/pay"} <= set(row["metrics"])


def test_a_round_in_which_every_proposal_is_refused_has_no_more_dead_groups_than_groups(family: Corpus) -> None:
    play = loop.play(script=lambda *_: "no idea", sampling={"problems": 4, "group_size": 2, "max_tokens": 40})
    play.grade = lambda some, said: [family.grade(p, s) for p, s in zip(some, said, strict=True)]
    play.watch.grade = play.grade
    rest = Curriculum([family], seed=0)
    settings = FromProposer(share=1.0, attempts=3.0)
    play.source = ProposerSource(settings, forms_of([family]), play.generator.propose, rest, seed=0)
    play.ladder = [family.problem(0, split="validation")]
    row = play.play(0)
    assert row["dead_groups"] == 1.0  # it was 1.5: dead groups of proposals were counted, the groups were not
    assert row["metrics"]["proposer/unparsable"] == 1.0
