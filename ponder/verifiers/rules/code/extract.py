"""The program in a response: after the thinking, the last fenced block that defines what was asked for.

For a program that reads and prints it is the last block that reads its input, else the last one that prints. What the
chosen block uses and another block defines (a helper, an import, a constant) is put before it; the rest of that block,
such as a call to try it out, is not. A block that is never closed goes on to the end. Without a block the whole text is
the program, white space at the start of a line kept: a model may answer with the body of a function alone. Whether it
is Python shows in the box and nowhere else: nothing here parses it, and everything takes linear time.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*\{?(\w*)[^\n]*$", re.MULTILINE)
_READS = re.compile(r"\binput\s*\(|\bstdin\b|\bopen\(0|\bfileinput\b|\bos\.read\(")
_PRINTS = re.compile(r"\bprint\s*\(|\bstdout\b|\bos\.write\(")
_DEFINES = re.compile(r"(?:async\s+)?(?:def|class)\s+(\w+)|([A-Z_][A-Z0-9_]*)\s*(?::[^=\n]*)?=(?!=)")
_ANYWHERE = re.compile(r"\b(?:def|class)\s+(\w+)|\b(\w+)\s*=(?!=)")
_FUTURE = re.compile(r"^from __future__ .*\n", re.MULTILINE)
_IMPORTS = re.compile(r"(?:from\s+[\w.]+\s+)?import\s+(.+)")
_WORD = re.compile(r"\w+")
_PYTHON = ("python", "py", "python3")


def program(response: str, entry: str = "") -> str | None:
    """The candidate's program, or None if there is none."""
    _, closed, text = response.rpartition("</think>")
    if not closed and "<think>" in text:
        return None
    blocks = _blocks(text)
    if blocks:
        number = _chosen(blocks, entry)
        text = _with_parts_of_others(blocks, number)
    return text.strip("\r\n") + "\n" if text.strip() else None


def _chosen(blocks: list[str], entry: str) -> int:
    """The number of the block to take."""
    wanted = [re.compile(rf"\b(?:def|class)\s+{re.escape(entry)}\b")] if entry else [_READS, _PRINTS]
    for pattern in wanted:
        for number in reversed(range(len(blocks))):
            if pattern.search(blocks[number]):
                return number
    return len(blocks) - 1


def _blocks(text: str) -> list[str]:
    """The insides of fenced blocks: those marked as Python if there are any, else all."""
    found: list[tuple[str, str]] = []
    opening = None
    for mark in _FENCE.finditer(text):
        if opening is None:
            opening = mark
        elif _closes(mark, opening):
            found.append((opening[3].lower(), _inside(text[opening.end() + 1 : mark.start()], opening[1])))
            opening = None
    if opening is not None:
        found.append((opening[3].lower(), _inside(text[opening.end() + 1 :], opening[1])))
    python = [block for language, block in found if language in _PYTHON]
    return python or [block for _, block in found]


def _closes(mark: re.Match[str], opening: re.Match[str]) -> bool:
    """A fence that names a language closes nothing, nor does one that stands deeper (in a docstring) or is shorter."""
    deeper = len(mark[1].expandtabs(4)) > len(opening[1].expandtabs(4)) + 3
    return not mark[3] and not deeper and mark[2][0] == opening[2][0] and len(mark[2]) >= len(opening[2])


def _inside(text: str, indent: str) -> str:
    """A block in a list item stands as deep as its fence."""
    return "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True)) if indent else text


def _with_parts_of_others(blocks: list[str], number: int) -> str:
    """The block with the definitions, imports and constants of other blocks that it uses and does not have."""
    own = blocks[number]
    others: dict[str, str] = {}
    for other in (*blocks[:number], *blocks[number + 1 :]):
        others |= _parts(other)
    missing = others.keys() - _parts(own).keys() - {name for pair in _ANYWHERE.findall(own) for name in pair}
    taken: dict[str, None] = {}
    waiting = [word for word in dict.fromkeys(_WORD.findall(own)) if word in missing]
    while waiting:
        name = waiting.pop()
        if name not in taken:
            taken[name] = None
            waiting += [word for word in _WORD.findall(others[name]) if word in missing and word not in taken]
    pieces = dict.fromkeys(part for name, part in others.items() if name in taken and part not in own)
    return "".join([*_FUTURE.findall(own), *pieces, _FUTURE.sub("", own)]) if pieces else own


def _parts(block: str) -> dict[str, str]:
    """Name -> the lines that define it, for all that stands at the start of a line."""
    parts: dict[str, str] = {}
    names: list[str] = []
    above = ""  # decorators
    for line in block.splitlines(keepends=True):
        if line[0] in " \t)]}#" or not line.strip():
            for name in names:
                parts[name] += line
            continue
        names = []
        if line[0] == "@":
            above += line
            continue
        if found := _IMPORTS.match(line):
            names = [
                part.split()[-1].partition(".")[0] for part in found[1].strip("()\r\n ").split(",") if part.split()
            ]
        elif (found := _DEFINES.match(line)) and not (found[2] and _READS.search(line)):
            names = [found[1] or found[2]]
        parts |= dict.fromkeys(names, above + line)
        above = ""
    return parts
