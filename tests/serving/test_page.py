"""The page in a real browser, at the width of a desk and of a phone: it works, it is safe, and everybody can use it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from ponder.serving.accounts import keys
from ponder.serving.accounts.database import open_database, sqlite_url
from ponder.serving.http.connections import bounded
from ponder.serving.settings import Limits
from tests.serving.toys import says, server

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
WAIT_MS = 120_000
HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"


@contextmanager
def served(script: Any = says, **more: Any) -> Iterator[str]:
    """The address of a server in a thread of its own."""
    ready, ended, found = threading.Event(), threading.Event(), list[str]()

    async def live() -> None:
        async with server(script, **more) as (client, _):
            config = uvicorn.Config(client.app, port=0, lifespan="off", log_level="error", http=bounded(Limits()))
            running = uvicorn.Server(config)
            task = asyncio.create_task(running.serve())
            while not running.started:
                await asyncio.sleep(0.01)
            found.append(f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}")
            ready.set()
            await asyncio.to_thread(ended.wait)
            running.should_exit = True
            await task

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    ready.wait(300)
    try:
        yield found[0]
    finally:
        ended.set()
        thread.join(300)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as api:
        started = api.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=WAIT_MS)
        yield started
        started.close()


def opened(browser: Any, url: str, size: str = "desk", **more: Any) -> tuple[Any, list[str]]:
    """The page, and what went wrong on it: messages, errors, requests to other hosts."""
    complaints: list[str] = []
    page = browser.new_page(viewport=SIZES[size], **more)
    page.set_default_timeout(WAIT_MS)
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda asked: None if asked.url.startswith((url, "data:", "blob:")) else complaints.append(asked.url)
    )
    page.goto(url)
    page.locator("#strategy option").nth(1).wait_for(state="attached")
    return page, complaints


def ask(page: Any, question: str = "What is 3 + 4?") -> None:
    page.fill("#question", question)
    page.keyboard.press("Control+Enter")
    page.locator("#send:not([disabled])").wait_for()


@pytest.mark.parametrize("size", SIZES)
def test_two_budgets_side_by_side(browser: Any, size: str):
    with served(seconds=0.05) as url:
        page, complaints = opened(browser, url, size)
        page.check("#compare")
        ask(page)
        answers = page.locator(".result .answer")
        assert answers.all_text_contents() == ["7", "7"]
        assert page.locator(".result h2").all_text_contents()[0].startswith("medium: 320")
        bills = page.locator(".result .bill").all_text_contents()
        assert all("kept" in bill and "discarded" in bill for bill in bills)
        assert page.locator(".step.chosen").count() > 0 and page.locator(".step.discarded").count() > 0
        assert page.locator("#history tr").count() == 2
        wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] <= wide[1], wide
        for each in ("light", "dark"):
            page.emulate_media(color_scheme=each)
            assert accessible(page) == []
        if folder := os.environ.get("PONDER_TEST_PICTURES"):
            page.screenshot(path=f"{folder}/{size}.png", full_page=True)
        assert complaints == []
        page.close()


def accessible(page: Any) -> list[str]:
    """What axe-core finds wrong."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in found]


def test_what_a_model_writes_is_text_and_nothing_else(browser: Any):
    with served(lambda _, __: f"{HOSTILE}\n</think>{HOSTILE}", max_tokens=400) as url:
        page, complaints = opened(browser, url)
        ask(page, HOSTILE)
        assert page.locator(".answer").first.text_content() == HOSTILE
        assert page.title() == "Ponder" and page.locator("main img").count() == 0
        assert complaints == []
        with page.expect_popup() as popup:
            page.click("text=The whole tree")
        tree = popup.value
        tree.wait_for_load_state()
        assert "owned" not in tree.title() and tree.locator("img").count() == 0
        page.close()


@pytest.mark.parametrize("size", SIZES)
def test_training_runs_are_drawn_and_go_on(browser: Any, size: str, tmp_path: Path):
    """A run that is under way gets a new round while the page is open; hostile names stay text."""
    runs = {"demo": tmp_path / "demo", "new": tmp_path / "<img src=x onerror=document.title='owned'>"}
    for folder in runs.values():
        folder.mkdir()
        (folder / "config.toml").write_text("")
    rounds(runs["demo"], 3)
    (runs["demo"] / "report.html").write_text(f"<h1>All of it</h1>{HOSTILE}")
    with served(runs=tmp_path) as url:
        page, complaints = opened(browser, url, size)
        page.click("text=demo")
        charts = page.locator("#run svg.chart")
        charts.first.wait_for()
        assert charts.count() == 2 and page.locator("#run-list tr").count() == 2
        told = charts.first.get_attribute("aria-label")
        assert "round 0 to 2" in told and "countdown: 10.0 % to 50.0 %" in told
        rounds(runs["demo"], 4)
        page.locator("#run svg.chart[aria-label*='round 0 to 3']").first.wait_for()
        assert page.locator("main img").count() == 0 and page.title() == "Ponder"
        wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] <= wide[1], wide
        for each in ("light", "dark"):
            page.emulate_media(color_scheme=each)
            assert accessible(page) == []
            if pictures := os.environ.get("PONDER_TEST_PICTURES"):
                page.locator("#runs").screenshot(path=f"{pictures}/runs_{size}_{each}.png")
        assert complaints == []
        with page.expect_popup() as popup:
            page.click("text=Its report")
        popup.value.wait_for_load_state()
        assert "owned" not in popup.value.title() and popup.value.locator("h1").text_content() == "All of it"
        page.close()


def rounds(folder: Path, number: int) -> None:
    rows = [
        {"round": at, "validation": {"countdown": 0.1 + 0.2 * at, "mean": 0.2}, "solve_rate": {"countdown": 0.3}}
        for at in range(number)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_history_of_a_key_is_the_servers(browser: Any, tmp_path: Path):
    database = open_database(sqlite_url(tmp_path))
    secret = keys.add(database, "alice", "standard")[1]
    database.dispose()
    with served(folder=tmp_path, keys=True) as url:
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        for _ in range(2):  # the second time in a tab that has asked nothing
            page.goto(url)
            page.locator("#access[open]").wait_for()
            page.fill("#key", secret)
            page.keyboard.press("Tab")
            page.locator("#strategy option").nth(1).wait_for(state="attached")
            if not page.locator("#history td >> text=not kept").count():
                ask(page, "What is 3 + 4?")
        page.locator("#history td >> text=not kept").wait_for()
        assert page.locator("#history tr").count() >= 1
        assert "Account alice" in page.locator("#account").text_content()
        page.close()


def test_escape_stops_the_thinking(browser: Any):
    with served(seconds=30.0) as url:
        page, _ = opened(browser, url)
        page.fill("#question", "?")
        page.keyboard.press("Control+Enter")
        page.locator("#stop:not([disabled])").wait_for()
        page.keyboard.press("Escape")
        page.locator("#send:not([disabled])").wait_for()
        assert page.locator(".why").first.text_content() == "stopped"
        page.close()
