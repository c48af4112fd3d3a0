"""A conversation as a chat template sees it: numbered slots in the place of what was said, which is filled in later.

Only what stands between the slots is ours; what fills them came from outside and is encoded apart (`codec.start`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_SLOT = re.compile("\u2402turn(\\d+)\u2403")
_PLAIN = {"system": "{}\n\n", "user": "Question: {}\nAnswer: ", "assistant": "{}\n\n"}


def slot(number: int) -> str:
    """What stands for a turn while a template is rendered; no template holds it."""
    return f"\u2402turn{number}\u2403"


def parted(rendered: str) -> tuple[list[str], list[int]]:
    """The pieces of a rendered text around its slots, and the numbers of the slots between them."""
    found = _SLOT.split(rendered)
    return found[::2], [int(number) for number in found[1::2]]


def plain(instructions: str, roles: Sequence[str], slots: Sequence[str]) -> str:
    """A conversation for a model without a chat template."""
    before = f"{instructions}\n\n" if instructions else ""
    return before + "".join(_PLAIN[role].format(text) for role, text in zip(roles, slots, strict=True))


def without_system(turns: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The turns with every system message put before the next words of the user."""
    kept: list[dict[str, str]] = []
    held: list[str] = []
    for turn in turns:
        if turn["role"] == "system":
            held.append(turn["content"])
            continue
        if turn["role"] == "user" and held:
            turn = {**turn, "content": "\n\n".join([*held, turn["content"]])}
            held = []
        kept.append(turn)
    return kept
