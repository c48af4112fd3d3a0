"""MATH-500 (2305.20050), GSM8K (2110.14168), AIME and GPQA (2311.12022): one short answer a question."""

from __future__ import annotations

import random
from typing import Any

from ponder.problems.suites.suite import BOXED, LETTER, Row, Suite, Unreadable, first

LETTERS = "ABCD"


def math500(row: Row, number: int) -> dict[str, Any]:
    """{problem, answer, subject, level, unique_id}."""
    kept = {name: row[name] for name in ("level", "subject") if name in row}
    return {
        "id": str(row.get("unique_id") or row.get("id") or f"math500-{number}"),
        "problem": first(row, "problem"),
        "answer": first(row, "answer"),
        **kept,
    }


def gsm8k(row: Row, number: int) -> dict[str, Any]:
    """{question, answer}, the answer a solution whose last line is `#### 72`; or a row whose answer is bare."""
    written = str(first(row, "answer"))
    return {
        "id": str(row.get("id") or f"gsm8k-{number}"),
        "problem": first(row, "question", "problem"),
        "answer": written.rsplit("####", 1)[-1].strip().replace(",", ""),
    }


def aime(row: Row, number: int) -> dict[str, Any]:
    """{id, problem, answer} in small or capital letters; the answer is a whole number from 0 to 999."""
    answer = str(first(row, "answer", "Answer")).strip()
    if not answer.isdigit() or int(answer) > 999:
        raise Unreadable(f"answer {answer!r} is no whole number from 0 to 999")
    return {
        "id": str(row.get("id", row.get("ID", f"aime-{number}"))),
        "problem": first(row, "problem", "Problem", "question"),
        "answer": str(int(answer)),
    }


def gpqa(row: Row, number: int) -> dict[str, Any]:
    """{Question, Correct Answer, Incorrect Answer 1 to 3, Record ID}; their order hangs on the id alone."""
    id = str(row.get("Record ID") or row.get("id") or f"gpqa-{number}")
    right = str(first(row, "Correct Answer")).strip()
    choices = [right, *(str(first(row, f"Incorrect Answer {k}")).strip() for k in (1, 2, 3))]
    order = list(range(4))
    random.Random(f"gpqa/{id}").shuffle(order)
    shown = "\n".join(f"({letter}) {choices[k]}" for letter, k in zip(LETTERS, order, strict=True))
    kept = {"subject": row["High-level domain"]} if "High-level domain" in row else {}
    return {
        "id": id,
        "problem": f"{str(first(row, 'Question')).strip()}\n\n{shown}",
        "answer": LETTERS[order.index(0)],
        **kept,
    }


MATH500 = Suite("math500", "arXiv 2305.20050", math500, BOXED, "math", "HuggingFaceH4/MATH-500", group="level")
GSM8K = Suite("gsm8k", "arXiv 2110.14168", gsm8k, BOXED, "math", "openai/gsm8k", config="main")
AIME = Suite(
    "aime", "the competition", aime, BOXED, "math", "HuggingFaceH4/aime_2024", part="train", samples=8, temperature=0.6
)
GPQA = Suite(
    "gpqa", "arXiv 2311.12022", gpqa, LETTER, "math", "Idavidrein/gpqa", part="train", config="gpqa_diamond",
    samples=4, temperature=0.6, group="subject",
)  # fmt: skip
