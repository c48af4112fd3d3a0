r"""Text that others wrote (a model, a server, a data file), safe to show on a terminal or a page.

What would be obeyed instead of shown is written out: control characters as `\x1b`, characters that turn the direction
of the text or cannot be seen as `\u202e`. Letters of all scripts, spaces of all widths, line ends and tabs stay as they
are. Every way out goes through here: the terminal (`commands.terminal`), the pages (`reports.templates`) and the JSON
files of the run folder (`runlog.files`).
"""

from __future__ import annotations

import json
import re
from typing import Any

# Invisible signs that join or part letters in Persian, Hindi and emoji (U+200C, U+200D) are text and stay.
_UNSEEN = "\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e0fff"
_OBEYED = re.compile(f"[\u0000-\u0008\u000b-\u001f{_UNSEEN}]")
_IN_JSON = re.compile(f"[{_UNSEEN}]")  # JSON writes out the others itself


def printable(text: str) -> str:
    """`text` with what is obeyed instead of shown written out. Done twice it is the same as done once."""
    return _OBEYED.sub(_written, text)


def json_line(value: Any, **options: Any) -> str:
    """JSON that reads back as `value` and holds nothing that a terminal obeys; `options` are those of `json.dumps`."""
    return _IN_JSON.sub(_in_json, json.dumps(value, ensure_ascii=False, **options))


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _in_json(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]
