"""Pictures in a question: drawn, sent to a chat server in front of the words, refused by what reads text alone."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import ponder
from ponder.api.policies import Source
from ponder.policy.chat import TextPropose
from ponder.policy.prompts import Prompts
from ponder.problems.families.shapes import CELL, COLOURS, Shapes, picture
from ponder.problems.images import data_url
from ponder.problems.selfcheck import check
from ponder.rollout.collect import collect
from ponder.types import PonderError, Question, StopReason, Verdict
from ponder.verifiers.votes import canonical_answer
from tests.policy.test_policy import CODEC

PNG = picture(((0, "red", "circle"), (7, "blue", "square")))


@dataclass
class Said:
    text: str
    stop: StopReason = StopReason.END
    tokens: int = 4
    prompt: int = 90


@dataclass
class Server:
    """A chat that counts red circles in whatever picture it is sent."""

    chat: bool = True
    asked: list[Any] = field(default_factory=list)

    async def say(
        self,
        prompt: str | Sequence[Mapping[str, Any]],
        *,
        max_tokens: int,
        seed: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: tuple[str, ...] = (),
    ) -> Said:
        self.asked.append(prompt)
        assert not isinstance(prompt, str)
        shown, words = prompt[-1]["content"]
        colour, kind = words["text"].split()[2:4]
        return Said(f"<think>I look.</think>{_count(shown['image_url']['url'], colour, kind.rstrip('s'))}")


def _count(url: str, colour: str, kind: str) -> int:
    """Cells whose middle has the colour, told apart by their corners: a square fills them, a triangle one pair."""
    image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    found = 0
    for cell in range(25):
        left, top = cell % 5 * CELL, cell // 5 * CELL
        pixels = [image.getpixel((left + x, top + y)) for x, y in ((20, 24), (8, 8), (9, 33))]
        middle, upper, lower = (pixel == COLOURS[colour] for pixel in pixels)
        seen = "square" if upper and lower else "triangle" if lower else "circle"
        found += middle and seen == kind
    return found


@pytest.mark.parametrize("level", [1, 3, 5])
def test_the_family_proves_itself(level: int) -> None:
    report = check(Shapes(level), n=10)
    assert report.ok, report.faults


def test_a_server_that_reads_pictures_counts_them() -> None:
    server, family = Server(), Shapes(3)
    problems = [family.problem(i) for i in range(30)]
    propose = TextPropose(server, canonical_answer)

    def grade(some: Sequence[Any], said: Sequence[str]) -> list[Verdict]:
        return [family.grade(problem, text) for problem, text in zip(some, said, strict=True)]

    groups = asyncio.run(collect(problems, propose, grade, group_size=1, max_tokens=50, seed=0))
    assert [group.solve_rate for group in groups] == [1.0] * 30
    assert len({problem.key.answer for problem in problems}) > 2
    first = server.asked[0][-1]["content"]
    assert [part["type"] for part in first] == ["image_url", "text"]
    assert first[0]["image_url"]["url"].startswith("data:image/png;base64,")


def test_a_question_is_asked_with_the_picture_that_is_given(tmp_path: Path) -> None:
    server, file = Server(), tmp_path / "a.png"
    file.write_bytes(PNG)
    source = Source("server", TextPropose(server, canonical_answer), str, lambda: {"exact": True})
    thought = ponder.think("How many red circles are there?", source, strategy="sample", budget=200, images=[file])
    assert thought.answer == "1"
    assert server.asked[0][-1]["content"][0]["image_url"]["url"] == data_url(PNG)


def test_what_reads_text_alone_refuses_a_picture() -> None:
    question = Question("q", "", "What is this?", images=(data_url(PNG),))
    with pytest.raises(PonderError, match="reads text alone; give the folder of an image-text model"):
        Prompts(CODEC).tokens(question)
    plain = TextPropose(Server(chat=False), canonical_answer)
    with pytest.raises(PonderError, match="a plain text cannot hold"):
        asyncio.run(plain(question, None, 1, until="end", max_tokens=9, seed=0))


@pytest.mark.parametrize(
    ("sign", "kind"), [(b"\xff\xd8\xff\xe0", "jpeg"), (b"GIF89a", "gif"), (b"RIFF1234WEBPVP8 ", "webp")]
)
def test_pictures_are_told_by_their_first_bytes(sign: bytes, kind: str) -> None:
    assert data_url(sign).startswith(f"data:image/{kind};base64,")


def test_what_is_no_picture_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match="is no picture that is known here"):
        data_url(b"<svg></svg>")
    with pytest.raises(PonderError, match=r"cannot be read: No such file"):
        data_url(tmp_path / "none.png")
    with pytest.raises(PonderError, match="at most"):
        data_url(b"\x89PNG\r\n\x1a\n" + bytes(21 * 2**20))
