"""The documentation site: it builds strictly, asks no other host, fits its window, and everybody can use it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
WAIT_MS = 120_000  # a busy machine is slow and not wrong
# Contrast is by far the slowest rule and hangs on the theme's colours: it is tried in both schemes on pages that have
# every kind of text, the other rules and the width on every page. PONDER_TEST_PICTURES=FOLDER tries all on all pages.
COLOURS = ("404", "benchmarks", "concepts", "index", "models", "training")
# Elements that stick out of the window, but for those that scroll inside of a frame of their own.
STICKING_OUT = """
() => [...document.querySelectorAll("body *")].filter(element => {
    if (element.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false;
    for (let at = element; at; at = at.parentElement)
        if (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX)) return false;
    return element.getClientRects().length > 0;
}).map(element => element.tagName + "." + (element.getAttribute("class") || "")).slice(0, 5)
"""


def test_every_page_is_in_the_menu_and_nothing_else() -> None:
    menu = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M))
    assert menu == {path.name for path in (ROOT / "docs").glob("*.md")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built strictly: a link that leads nowhere is an error."""
    if find_spec("mkdocs") is None:
        pytest.skip("pip install -e '.[docs]' builds the site")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_it_builds_strictly_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.glob("*.html"))
    assert len(pages) > 20
    for page in pages:
        asked = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?https?://[^\" >]*", page.read_text())
        assert asked == [], page.name


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a line for each request."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join(60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with playwright.sync_playwright() as api:
        started = api.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=WAIT_MS)
        yield started
        started.close()


def opened(browser: Any, address: str, size: str, complaints: list[str], scheme: str = "light") -> Any:
    """An empty page; messages, errors and requests to other hosts will be among the complaints."""
    page = browser.new_page(viewport=SIZES[size], color_scheme=scheme)
    page.set_default_timeout(WAIT_MS)
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    here = (address, "data:", "blob:")
    page.on("request", lambda asked: None if asked.url.startswith(here) else complaints.append(asked.url))
    return page


def barriers(page: Any, **options: Any) -> list[str]:
    """What axe-core finds wrong that is serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    found = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in found]


@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_its_window_and_can_be_used_by_everybody(
    browser: Any, site: Path, address: str, size: str
) -> None:
    wrong: dict[str, list[str]] = {}
    complaints: list[str] = []
    folder = os.environ.get("PONDER_TEST_PICTURES")
    page = opened(browser, address, size, complaints)
    for file in sorted(site.glob("*.html")):
        page.goto(f"{address}{file.name}")
        wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        found = page.evaluate(STICKING_OUT) + ([f"scrolls to {wide[0]}"] if wide[0] > wide[1] else [])
        if size == "phone" or folder:
            found += barriers(page, rules={"color-contrast": {"enabled": False}})
        wrong[file.name] = found + complaints
        complaints.clear()
    page.close()
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_enough(browser: Any, site: Path, address: str, scheme: str) -> None:
    folder = os.environ.get("PONDER_TEST_PICTURES")
    wrong: dict[str, list[str]] = {}
    complaints: list[str] = []
    for size in SIZES if folder else ("desk",):
        page = opened(browser, address, size, complaints, scheme)
        for name in [file.stem for file in sorted(site.glob("*.html"))] if folder else COLOURS:
            page.goto(f"{address}{name}.html")
            wrong[f"{name}, {size}"] = barriers(page, runOnly=["color-contrast"]) + complaints
            complaints.clear()
            if folder:
                page.screenshot(path=f"{folder}/{name}-{size}-{scheme}.png", full_page=True)
        page.close()
    assert {name: found for name, found in wrong.items() if found} == {}


def test_search_finds_a_page_without_another_host_and_code_can_be_copied(browser: Any, address: str) -> None:
    complaints: list[str] = []
    page = opened(browser, address, "desk", complaints)
    page.goto(f"{address}index.html")
    page.fill(".md-search__input", "noise dial")
    page.locator(".md-search-result__item a[href*='audit.html']").first.wait_for()
    page.keyboard.press("Escape")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".md-code__button[data-md-type=copy]").first.click()
    page.locator(".md-dialog--active").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("git clone")
    assert complaints == []
    page.close()
