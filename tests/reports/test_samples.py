"""The browser of samples: what a model wrote stays text, the script is the only one that may run, and it finds."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ponder.reports.samples import page

EVIL = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">&<!-- \u202e"


def row(number: int, problem: str = "p", outcome: float | None = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "round": 1, "update": 0, "problem": problem, "family": "countdown", "level": 3, "extracted": "(6*3)*1",
        "question": "Make 18 from 3, 6, 1.", "outcome": outcome, "failure": None if outcome is not None else "timeout",
        "steps": [f"6*3=18,18*1=18|18! {number}\n", "</think>(6*3)*1"], "step_lengths": [20, 8], **more,
    }  # fmt: skip


def data(source: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', source, flags=re.DOTALL)
    assert found is not None
    return list(json.loads(found.group(1)))


def test_samples_stand_in_the_page_with_their_verdicts(tmp_path: Path) -> None:
    source = page.render([row(0), row(1, outcome=0.0), row(2, outcome=None)], tmp_path).read_text(encoding="utf-8")
    found = data(source)
    assert [one["verdict"] for one in found] == ["right", "wrong", "not judged"]
    assert found[2]["why"] == "timeout"
    assert found[0]["response"] == "6*3=18,18*1=18|18! 0\nanswer: (6*3)*1"
    assert (found[0]["tokens"], found[0]["round"]) == (28, 1)
    assert "3 sampled answers. " in source


def test_only_the_script_of_the_page_is_allowed_and_only_by_its_hash(tmp_path: Path) -> None:
    source = page.render([row(0, question=EVIL, steps=[EVIL], extracted=EVIL, family=EVIL)], tmp_path).read_text(
        "utf-8"
    )
    scripts = re.findall(r"<script>(.*?)</script>", source, flags=re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source)
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in html.unescape(policy.group(1))
    assert "unsafe-inline'; img-src data:; script-src" in html.unescape(policy.group(1))
    assert "<img" not in source
    assert source.count("<script") == 2
    assert "http:" not in source and "https:" not in source
    assert data(source)[0]["question"].startswith("</script><script>")
    assert "\u202e" not in source


def test_a_long_run_is_thinned_by_whole_groups_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST", 12)
    rows = [row(i, f"problem {p}", round=1 + p // 5) for p in range(10) for i in range(4)]
    source = page.render(rows, tmp_path).read_text(encoding="utf-8")
    found = data(source)
    assert len(found) == 12
    assert [one["round"] for one in found] == [1] * 8 + [2] * 4
    assert "12 sampled answers of 40: whole groups, evenly over the run." in source
    assert len(page.evenly([[{}] * 100], 12)) == 1  # never less than a group


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")
def test_in_a_browser_the_list_is_drawn_and_hostile_text_stays_text(tmp_path: Path) -> None:
    target = page.render([row(0, steps=[EVIL, "</think>7"]), *(row(i, outcome=0.0) for i in range(30))], tmp_path)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"file://{target}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert "31 samples, 1 right." in done.stdout
    assert done.stdout.count("<article>") == 20  # the rest behind a button
    assert "owned" not in done.stdout.split("<title>")[1].split("</title>")[0]
    assert "<img" not in done.stdout.split('id="list"')[1].split('type="application/json"')[0]
