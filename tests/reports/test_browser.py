"""Every page in a real browser: at the width of a desk and of a phone nothing overflows, and nobody complains."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ponder.reports.audit import page as audit
from ponder.reports.run import page as report
from ponder.reports.thinking import episodes
from ponder.reports.thinking import page as thinking
from ponder.reports.tree import page as tree
from tests.reports import synthetic, synthetic_pages
from tests.reports.test_by_turn import acting
from tests.reports.tree_toys import tree as toy

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
WAIT_MS = 120_000  # a busy machine is slow and not wrong
# Elements that stick out of the window, but for those that scroll inside of a frame of their own.
STICKING_OUT = """
() => [...document.querySelectorAll("body *")].filter(element => {
    if (element.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false;
    for (let at = element; at; at = at.parentElement)
        if (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX)) return false;
    return element.getClientRects().length > 0;
}).map(element => element.tagName + "." + (element.getAttribute("class") || "")).slice(0, 5)
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as api:
        started = api.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=WAIT_MS)
        yield started
        started.close()


def _tree(folder: Path) -> Path:
    folder.mkdir()
    (folder / "tree.html").write_text(tree.render(toy()), encoding="utf-8")
    return folder / "tree.html"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        "report": report.render(synthetic.write(folder / "run", synthetic.summary())),
        "turns": report.render(synthetic.write(folder / "turns", acting())),
        "episodes": episodes.render(synthetic_pages.episodes(folder / "episodes")),
        "thinking": thinking.render(synthetic_pages.thinking(folder / "eval")),
        "audit": audit.render(synthetic_pages.audit(folder / "audit")),
        "tree": _tree(folder / "tree"),
    }


def _opened(browser: Any, path: Path, size: str, complaints: list[str]) -> Any:
    page = browser.new_page(viewport=SIZES[size])
    page.set_default_timeout(WAIT_MS)
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: complaints.append(asked.url) if asked.url.startswith("http") else None)
    page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["report", "turns", "episodes", "thinking", "audit", "tree"])
def test_a_page_fits_its_window_and_complains_of_nothing(browser: Any, pages: dict[str, Path], name: str, size: str):
    complaints: list[str] = []
    page = _opened(browser, pages[name], size, complaints)
    for folded in page.query_selector_all("details:not([open])"):
        folded.evaluate("element => { element.open = true }")
    wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert page.evaluate(STICKING_OUT) == []
    assert wide[0] <= wide[1], wide
    assert page.inner_text("h1").strip()
    assert complaints == []
    page.close()


def test_a_page_that_is_too_wide_is_noticed(browser: Any, tmp_path: Path):
    """The measuring itself: a page with one thing that sticks out and one complaint."""
    (tmp_path / "wide.html").write_text(
        "<h1>x</h1><p class=w style='width:2000px'>w</p><script>console.error(1)</script>"
    )
    complaints: list[str] = []
    page = _opened(browser, tmp_path / "wide.html", "phone", complaints)
    assert page.evaluate(STICKING_OUT) == ["P.w"]
    assert page.evaluate("document.documentElement.scrollWidth") > SIZES["phone"]["width"]
    assert complaints == ["error: 1"]
    page.close()
