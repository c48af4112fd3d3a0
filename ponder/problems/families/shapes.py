"""Counting shapes in a picture: `How many red circles are in picture 3f9a2c?`.

A picture holds circles, squares and triangles in three colours, each in a cell of its own of a grid. `level` says how
many: up to 3 at level 1 and four more with each level. Without the picture the question cannot be answered better than
by guessing. The picture is drawn from the seed and stands in `Question.images`; its name in the question is a hash, so
that no two questions are alike. For models that read pictures: those behind a chat server (`URL#NAME`) and local ones
of LLaVA's kind.
"""

from __future__ import annotations

import hashlib
import io
import random
from dataclasses import dataclass

from ponder.problems.answers import final_answer
from ponder.problems.families.stated import stated_integer
from ponder.problems.images import data_url
from ponder.problems.splits import draw
from ponder.types import Key, PonderError, Problem, Question, Verdict

INSTRUCTIONS = "Look at the picture. After your thinking, answer with the number alone."
KINDS = ("circle", "square", "triangle")
COLOURS = {"red": (200, 40, 40), "green": (40, 150, 60), "blue": (50, 80, 200)}
GRID, CELL, MOST = 5, 40, 5
Shape = tuple[int, str, str]  # cell, colour, kind


@dataclass(frozen=True)
class Shapes:
    """Counting the shapes of one colour and kind in a picture."""

    level: int = 1
    name: str = "shapes"

    def __post_init__(self) -> None:
        if not 1 <= self.level <= MOST:
            raise PonderError(f"shapes: level={self.level}; allowed are 1 to {MOST}")

    def at_level(self, level: int) -> Shapes:
        return Shapes(level=level)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        shapes, colour, kind = draw(f"shapes/{self.level}/{seed}/{index}", split, self._task, str)
        name = hashlib.sha256(str(shapes).encode()).hexdigest()[:6]
        count = sum(shape[1:] == (colour, kind) for shape in shapes)
        question = Question(
            id=f"shapes-{self.level}-{split}-{seed}-{index}",
            family=self.name,
            text=f"How many {colour} {kind}s are in picture {name}?",
            instructions=INSTRUCTIONS,
            level=self.level,
            images=(data_url(picture(shapes)),),
        )
        return Problem(question, Key(str(count), {"shapes": [list(shape) for shape in shapes]}))

    def _task(self, rng: random.Random) -> tuple[tuple[Shape, ...], str, str]:
        cells = rng.sample(range(GRID * GRID), rng.randint(1, 4 * self.level - 1))
        shapes = tuple((cell, rng.choice(list(COLOURS)), rng.choice(KINDS)) for cell in sorted(cells))
        _, colour, kind = rng.choice(shapes)
        if rng.random() < 0.25:  # now and then there is none
            colour, kind = rng.choice(list(COLOURS)), rng.choice(KINDS)
        return shapes, colour, kind

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right if the answer after thinking states the same whole number (`stated`)."""
        text = final_answer(response)
        if text is None:
            return Verdict(outcome=0.0, detail="no answer after the thinking")
        stated = stated_integer(text)
        if stated is None:
            return Verdict(outcome=0.0, extracted=text, detail="the answer does not end with one number")
        return Verdict(outcome=float(stated == int(problem.key.answer or "")), extracted=str(stated))

    def equivalents(self, problem: Problem) -> list[str]:
        return [f"{problem.key.answer}.", f"0{problem.key.answer}"]

    def near_misses(self, problem: Problem) -> list[str]:
        count = int(problem.key.answer or "")
        return [str(count + 1), f"{count} or {count + 1}", "", f"<think>\n{count}\n</think>"]


def picture(shapes: tuple[Shape, ...]) -> bytes:
    """The picture as a PNG of GRID by GRID cells."""
    from PIL import Image, ImageDraw  # slow to import, and needed for pictures alone

    image = Image.new("RGB", (GRID * CELL, GRID * CELL), (255, 255, 255))
    pen = ImageDraw.Draw(image)
    for cell, colour, kind in shapes:
        left, top = cell % GRID * CELL + 6, cell // GRID * CELL + 6
        right, bottom = left + CELL - 12, top + CELL - 12
        if kind == "circle":
            pen.ellipse((left, top, right, bottom), fill=COLOURS[colour])
        elif kind == "square":
            pen.rectangle((left, top, right, bottom), fill=COLOURS[colour])
        else:
            pen.polygon([((left + right) // 2, top), (right, bottom), (left, bottom)], fill=COLOURS[colour])
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()
