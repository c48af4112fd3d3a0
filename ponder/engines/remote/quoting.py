"""What a server said, as it may be shown and stored: without the key, without control characters, cut short.

Servers repeat the key in errors, and a model may repeat it in an answer. `hide` takes every form of it out that JSON,
Python or a URL give it, and a piece of it at the end of a text that was cut in the middle. Whatever a message quotes
from a server goes through `shown`, so no escape sequence of a server reaches a terminal.
"""

from __future__ import annotations

import base64
import json
import urllib.parse
from dataclasses import dataclass, field

HIDDEN = "***"
# Local servers take keys like "EMPTY" or "none"; they are no secrets, and an answer may hold such a word.
_LEAST = 8


@dataclass(frozen=True)
class Quoting:
    """Hides one secret (None: there is none)."""

    secret: str | None = field(default=None, repr=False)

    def hide(self, text: str) -> str:
        """The text without the secret; a secret of less than eight characters is none."""
        if self.secret is None or len(self.secret) < _LEAST:
            return text
        for form in self._forms(self.secret):
            text = text.replace(form, HIDDEN)
        cut = next((n for n in range(len(self.secret) - 1, _LEAST - 1, -1) if text.endswith(self.secret[:n])), 0)
        return text[: len(text) - cut] + HIDDEN if cut else text

    def shown(self, text: str, most: int) -> str:
        """A text in one line of printable characters, without the secret, at most `most` characters long."""
        printable = "".join(c if c.isprintable() else " " for c in self.hide(text))
        # Once more: a piece of it may stand at the end only now.
        return self.hide(" ".join(printable.split()))[:most]

    @staticmethod
    def _forms(secret: str) -> list[str]:
        """Longest first, so that no form is taken out of the middle of another."""
        encoded = base64.b64encode(secret.encode()).decode()
        forms = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], urllib.parse.quote(secret, safe=""), encoded}
        return sorted(forms, key=len, reverse=True)
