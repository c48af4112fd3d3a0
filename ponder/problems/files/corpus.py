r"""Passages of text as problems: `corpus:PATH` asks for words that stand in a passage, without showing the passage.

The family's own problems are sentences with a gap: a number or a name is taken out and asked for. Problems
about the same passages that a model writes itself are those of `source.kind=proposer` (`selfplay/proposer/forms`,
SPICE, arXiv 2510.24684). The gold answer is always a piece of the passage, so nobody's word is believed.

The file is JSON lines with `text` (and, if wanted, `id` and `split`), or plain text whose passages are parted by empty
lines. A passage belongs to one split, by its row or by the hash of its text, with all questions about it: what is
proposed comes from training passages alone.

An answer is right if it is the gold answer but for case, punctuation, articles and separators of thousands (as in
SQuAD, arXiv 1606.05250). Words around it make it wrong: a list of guesses would hold it too.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.names import known
from ponder.problems.overlap import normalise
from ponder.problems.splits import SPLITS, check_split, split_of
from ponder.thinking import final_answer
from ponder.types import Key, PonderError, Problem, Question, Verdict

INSTRUCTIONS = (
    "Answer the question with a few words: a name, a number or a date. After your thinking, give the answer alone, "
    "without a sentence around it."
)
GAP = "____"
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
# What is taken out of a sentence: a number, or words with capitals that do not begin it.
_SPAN = re.compile(r"\d[\d,]*(?:\.\d+)?|(?<=[a-z,;] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


@dataclass(frozen=True)
class Passage:
    """A piece of text with its name and the split that all questions about it belong to."""

    id: str
    text: str
    split: str
    line: int


class Corpus:
    """The passages of `path` as a family; `name` is the file's name without its ending."""

    level = 0

    def __init__(self, path: str | Path) -> None:
        """Reads the whole file; raises PonderError if it cannot be read or a split has no question."""
        self.path = Path(path)
        self.name = self.path.stem
        self.passages = _read(self.path)
        self._gaps = {split: [gap for p in self.of(split) for gap in gaps(p)] for split in SPLITS}
        empty = [split for split in SPLITS if not self._gaps[split]]
        if empty:
            counts = ", ".join(f"{split} {len(self.of(split))} passages" for split in SPLITS)
            raise PonderError(
                f"{self.path}: no question can be made for the split {empty[0]} ({counts}); give more passages with "
                'names or numbers in them, or say "split" in the rows of a .jsonl file'
            )
        self._orders: dict[tuple[str, int], list[tuple[Passage, str, str]]] = {}

    def of(self, split: str) -> list[Passage]:
        """The passages of a split, in the order of the file."""
        check_split(split)
        return [passage for passage in self.passages if passage.split == split]

    def size(self, split: str) -> int:
        """How many sentences with a gap a split has."""
        check_split(split)
        return len(self._gaps[split])

    def located(self, split: str) -> list[tuple[str, str]]:
        """(question, "file:line") of every problem of `split`, for the search for overlaps."""
        return [(asked, f"{self.path}:{passage.line}") for passage, asked, _ in self._gaps[split]]

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        """Gap number `index` of the split in an order that `seed` shuffles; after the last one it begins again."""
        check_split(split)
        if (split, seed) not in self._orders:
            order = list(self._gaps[split])
            random.Random(f"{self.name}/{split}/{seed}").shuffle(order)
            self._orders[split, seed] = order
        passage, text, answer = self._orders[split, seed][index % len(self._orders[split, seed])]
        place = self._gaps[split].index((passage, text, answer))
        return self.asked(f"{self.name}-{split}-{place}", text, answer, passage.id)

    def asked(self, id: str, text: str, answer: str, passage: str) -> Problem:
        """A question about a passage, without the passage."""
        return Problem(Question(id, self.name, text, INSTRUCTIONS), Key(answer, {"passage": passage}))

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right if the whole answer is the gold one (see the module)."""
        answer = final_answer(response)
        if answer is None:
            return Verdict(outcome=0.0, detail="no answer after the thinking")
        right = bool(plain(answer)) and plain(answer) == plain(problem.key.answer or "")
        return Verdict(outcome=float(right), extracted=answer, detail="" if right else "not the words of the passage")

    def equivalents(self, problem: Problem) -> list[str]:
        """The answer with an article, a full stop, in capitals."""
        gold = problem.key.answer or ""
        return [f"the {gold}", f"{gold}.", gold.upper()]

    def near_misses(self, problem: Problem) -> list[str]:
        """Guesses beside the answer, words around it, and no answer."""
        gold = problem.key.answer or ""
        return [f"{gold} or Paris", f"It is {gold}", f"{gold}x", "", "the", "I do not know", f"<think>\n{gold}\n"]


def plain(text: str) -> str:
    """An answer as it is compared: small letters, without punctuation, articles and separators of thousands."""
    small = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.lower())
    small = re.sub(r"(?<=\d)\.(?=\d)", "point", small)  # 3.5 is not 35
    return " ".join(_ARTICLES.sub(" ", re.sub(r"[^\w\s]", " ", small)).split())


def gaps(passage: Passage) -> list[tuple[Passage, str, str]]:
    """Each sentence with each of its spans taken out: (passage, question, answer). A span that stands twice is left."""
    found = []
    for sentence in _SENTENCE.split(passage.text):
        for span in _SPAN.finditer(sentence):
            answer = span[0].rstrip(",")
            if len(re.findall(rf"(?<!\w){re.escape(answer)}(?!\w)", sentence)) == 1:
                asked = sentence[: span.start()] + GAP + sentence[span.start() + len(answer) :]
                found.append((passage, f"What stands in the gap? {asked}", answer))
    return found


def _read(path: Path) -> list[Passage]:
    """The passages of a file, each text once."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PonderError(f"cannot read {path}: {error.strerror}; name an existing file") from error
    except UnicodeDecodeError as error:
        raise PonderError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    rows = _rows(path, text) if path.suffix == ".jsonl" else _paragraphs(text)
    found: dict[str, Passage] = {}
    for line, row in rows:
        words = " ".join(row["text"].split())
        split = row.get("split") or split_of(normalise(words))
        known(f"split in {path}, line {line}:", str(split), SPLITS)
        twin = found.setdefault(normalise(words), Passage(str(row.get("id", f"line {line}")), words, split, line))
        if twin.split != split:
            raise PonderError(
                f"{path}, line {line}: this {split} passage is a {twin.split} passage in line {twin.line}"
            )
    if not found:
        raise PonderError(f'{path}: no passages; a .jsonl row is {{"text": ...}}, in plain text empty lines part them')
    return list(found.values())


def _rows(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    rows = []
    for line, raw in enumerate(text.split("\n"), start=1):
        if not raw.strip():
            continue
        try:
            row = json.loads(raw)
        except ValueError as error:
            raise PonderError(f"{path}, line {line}: not JSON ({error})") from error
        if not isinstance(row, dict) or not isinstance(row.get("text"), str) or not row["text"].strip():
            raise PonderError(f'{path}, line {line}: a row is {{"text": "a passage", ...}}, got {raw[:40]}')
        rows.append((line, row))
    return rows


def _paragraphs(text: str) -> list[tuple[int, dict[str, Any]]]:
    rows, line = [], 1
    for part in re.split(r"(\n\s*\n)", text):
        if part.strip():
            rows.append((line + len(part) - len(part.lstrip("\n")), {"text": part}))
        line += part.count("\n")
    return rows
