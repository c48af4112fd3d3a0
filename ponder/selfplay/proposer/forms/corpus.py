r"""Proposed questions about a passage: the proposer sees it, the solver does not (SPICE, arXiv 2510.24684).

    Question: Which river flows through Cairo?
    Answer: Nile

It is shown one example, as a turn before. The answer must stand in the passage word for word; nothing else makes it
gold. A question that holds the answer leaks it, and one that points at the passage ("according to the text") cannot be
answered without it. Whether the question has this answer and no other is not checked: a solver who says something else
that is true gets nothing, and a question that nobody answers earns its proposer nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ponder.problems.files.corpus import Corpus, plain
from ponder.selfplay.proposer.forms.form import Draft, Refused
from ponder.types import Key, Question

_PROPOSAL = re.compile(r"Question:\s*([^\n?]+\?)\s*\n\s*Answer:\s*([^\n]+?)\.?", re.IGNORECASE)
_POINTS = re.compile(
    r"\b(?:passages?|texts?|paragraphs?|articles?|authors?|above|following|excerpts?|mentioned|according)\b",
    re.IGNORECASE,
)
_EMPTY = {"", "yes", "no", "true", "false", "it", "he", "she", "they", "this", "that", "and", "of", "in", "is"}
SHOWN = "Passage: "
# One turn before the question that shows the form: a small model does not follow the instructions alone.
EXAMPLE = (
    (
        "user",
        f"{SHOWN}The Eiffel Tower was built for the World Fair of 1889. It is 330 metres high and stands in Paris.",
    ),
    ("assistant", "Question: In which city does the Eiffel Tower stand?\nAnswer: Paris"),
)


@dataclass(frozen=True)
class CorpusForm:
    """Answers of at most `most_words` words, questions of at most `longest` characters."""

    family: Corpus
    most_words: int = 5
    longest: int = 200
    instructions: str = (
        "Write one question about a fact in the passage, neither too easy nor too hard, for somebody who cannot see "
        "the passage. The answer must be a name, a number or a date that stands in the passage exactly so. After your "
        "thinking, write two lines and nothing else:\nQuestion: ...?\nAnswer: ..."
    )

    def ask(self, number: int, seed: int) -> Question:
        """The question to the proposer: a training passage, passages in turn in an order that `seed` turns."""
        passages = self.family.of("train")
        passage = passages[(number + seed) % len(passages)]
        return Question(
            id=f"propose-{self.family.name}-{seed}-{number}",
            family=f"propose {self.family.name}",
            text=f"{SHOWN}{passage.text}",
            instructions=self.instructions,
            history=EXAMPLE,
        )

    def read(self, text: str) -> Draft:
        """Nothing can be read without the passage."""
        raise Refused("ungrounded", text[:80])

    def read_about(self, asked: Question, text: str) -> Draft:
        """The problem that `text` is, proposed in reply to `asked`. Raises `Refused`."""
        found = _PROPOSAL.fullmatch(text.strip())
        if found is None:
            raise Refused("unparsable", text[:80])
        question, answer = " ".join(found[1].split()), found[2].strip(" \"'")
        if len(question) > self.longest or len(answer.split()) > self.most_words:
            raise Refused("too_large", text[:80])
        if plain(answer) in _EMPTY or len(plain(question).split()) < 3:
            raise Refused("trivial", answer)
        passage = asked.text.removeprefix(SHOWN)
        if not re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", passage):
            raise Refused("ungrounded", answer)
        if leaks(question, answer):
            raise Refused("leaked", f"{question} {answer}")
        if _POINTS.search(question):
            raise Refused("dependent", question)
        (place,) = [p.id for p in self.family.of("train") if p.text == passage][:1] or [""]
        if not place:
            raise Refused("held_out", "the passage belongs to no training problem")
        return Draft(question, Key(answer, {"passage": place}), 0, plain(question), f"{place}: {plain(answer)}")


def leaks(question: str, answer: str) -> bool:
    """Whether all words of the answer stand in the question, in whatever order."""
    return set(plain(answer).split()) <= set(plain(question).split())
