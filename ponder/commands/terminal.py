"""The terminal that commands print to: rich's, with what others wrote kept from steering it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ponder.printable import printable


class Terminal(Console):
    """A console that writes control characters out, wherever in a table, a tree or a sentence they stand."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Segments whose text cannot move the cursor, change colours or ring a bell; rich's own controls pass."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else printable(segment.text)
            yield segment if shown == segment.text else Segment(shown, segment.style)
