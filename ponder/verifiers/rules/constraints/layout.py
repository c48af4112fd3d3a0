"""What must stand somewhere in the response: bullets, highlights, sections, a title, placeholders, a postscript."""

from __future__ import annotations

import json
import re
from typing import Any

_BULLET = re.compile(r"^[ \t]*(?:\*(?!\*)|-)(?=[^\n]*\S)[^\n]+$", re.MULTILINE)
_HIGHLIGHT = re.compile(r"\*\*([^\n*]*)\*\*|\*([^\n*]*)\*")
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]*\]")
_TITLE = re.compile(r"<<([^\n<>][^\n]*?)>>")
_FENCE = re.compile(r"```(?:json)?\s(.*)```", re.DOTALL | re.IGNORECASE)
OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def bullets(text: str, *, num_bullets: int) -> bool:
    """Exactly so many lines that begin with `* ` or `-`. `**bold**` begins no bullet, nor does a divider `---`."""
    lines = (match.group().strip() for match in _BULLET.finditer(text))
    return sum(bool(line.strip("*- \t")) for line in lines) == num_bullets


def highlights(text: str, *, num_highlights: int) -> bool:
    """At least so many `*parts*` or `**parts**` with something in them, each within a line."""
    found = (match.group(1) or match.group(2) or "" for match in _HIGHLIGHT.finditer(text))
    return sum(bool(part.strip()) for part in found) >= num_highlights


def sections(text: str, *, section_spliter: str, num_sections: int) -> bool:
    """At least so many marks such as `SECTION 1`. Upper and lower case differ."""
    return len(re.findall(rf"{re.escape(section_spliter.strip())}\s?\d+", text)) >= num_sections


def title(text: str) -> bool:
    """`<<something>>` stands within a line."""
    # Only what a `>>` still follows is searched, so each search ends at one and the whole takes linear time.
    lines = (line[: line.rfind(">>") + 2] for line in text.split("\n") if ">>" in line)
    return any(match.group(1).strip("<> \t") for line in lines for match in _TITLE.finditer(line))


def placeholders(text: str, *, num_placeholders: int) -> bool:
    """At least so many `[placeholders]`."""
    return len(_PLACEHOLDER.findall(text)) >= num_placeholders


def postscript(text: str, *, postscript_marker: str) -> bool:
    """The marker stands somewhere, in any case; for the two usual ones spaces may stand after their full stops."""
    letters = [letter for letter in postscript_marker if letter.isalpha()]
    if [letter.lower() for letter in letters] in (["p", "s"], ["p", "p", "s"]):
        stops = r"\.\s?"
        pattern = stops.join(letters) + (r"\." if postscript_marker.endswith(".") else "")
        return re.search(rf"(?<![A-Za-z.]){pattern}", text, re.IGNORECASE) is not None
    return postscript_marker.lower() in text.lower()


def constrained_response(text: str) -> bool:
    """One of the three published phrases stands in the response."""
    return any(option in text for option in OPTIONS)


def json_format(text: str) -> bool:
    """All of it is one JSON object or list, bare or in a ```json fence. Numbers are not computed."""
    fenced = _FENCE.fullmatch(text.strip())
    try:
        value: Any = json.loads(fenced.group(1) if fenced else text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict | list)
