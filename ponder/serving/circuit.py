"""After several failures of the engine in a row, nobody asks it for a while: a refusal at once is better than a wait.

The first pause is short and doubles with every further failure, up to a minute. One answer ends it.
"""

from __future__ import annotations

import time

from ponder.serving.errors import ApiError

_FAILURES, _FIRST, _LONGEST = 5, 2.0, 60.0


class Circuit:
    """Closed while the engine answers; open for some seconds after it did not, several times in a row."""

    def __init__(self) -> None:
        self._failed = 0
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether requests are refused now."""
        return time.monotonic() < self._until

    def check(self) -> None:
        """ApiError while it is open."""
        if self.is_open:
            wait = self._until - time.monotonic()
            raise ApiError(
                503, "the model behind this server does not answer at present", code="engine_down", wait=wait
            )

    def heard(self, error: ApiError | None) -> None:
        """How a search ended: only failures of the engine itself count."""
        if error is None:
            self._failed, self._until = 0, 0.0
        elif error.status >= 500 and error.code in ("engine_error", "internal_error"):
            self._failed += 1
            if self._failed >= _FAILURES:
                pause = min(_LONGEST, _FIRST * 2 ** (self._failed - _FAILURES))
                self._until = time.monotonic() + pause
