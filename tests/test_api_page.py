"""docs/api.md says what the docstrings say."""

from __future__ import annotations

from pathlib import Path

import ponder

# Loaded as a plain script, for scripts/ is no package.
SCRIPT = Path(__file__).parent.parent / "scripts" / "api_page.py"


def test_the_page_is_up_to_date() -> None:
    made: dict[str, object] = {"__name__": "api_page", "__file__": str(SCRIPT)}
    exec(compile(SCRIPT.read_text(encoding="utf-8"), str(SCRIPT), "exec"), made)  # noqa: S102  # our own script
    page = made["page"]
    assert callable(page)
    written = (SCRIPT.parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    assert written == page(), "run python -m scripts.api_page"
    assert all(f"### `{name}`" in written for name in ponder.__all__ if name != "__version__")
