"""`ponder verifier audit` on the embedded model: what it writes, what it says of a dial, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ponder.api.audit import Request, run
from ponder.commands.audit import shown
from ponder.reports.audit.page import facts, render
from ponder.types import PonderError
from ponder.verifiers.noise import Noise


def request(out: Path, **more: object) -> Request:
    settings = {"verifier": "truth", "problems": ("arithmetic?terms=4",), "limit": 8, "samples": 6, **more}
    return Request(out=out, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("audit") / "out"
    return out, run(request(out, noise=Noise(0.3, 0.1)), lambda *_: None)


def test_it_writes_numbers_samples_a_page_and_a_picture(done: tuple[Path, dict[str, Any]]) -> None:
    out, found = done
    written = json.loads((out / "audit.json").read_text())
    assert written["sentence"] == found["sentence"] and written["noise"]["false_accept"] == 0.3
    assert len((out / "samples.jsonl").read_text().splitlines()) == found["n_samples"] == 48
    assert (out / "audit.png").read_bytes()[:4] == b"\x89PNG"
    page = (out / "audit.html").read_text()
    assert found["sentence"].split(":")[0] in page and "http://" not in page and "<script" not in page
    assert shown(found) is not None


def test_truth_without_noise_never_errs(tmp_path: Path) -> None:
    found = run(request(tmp_path / "out"), lambda *_: None)
    rates = found["rates"][0]
    assert (rates["true_accepts"]["y"], rates["false_accepts"]["y"], found["auc"]["y"]) == (1.0, 0.0, 1.0)
    covered = [point["y"] for point in found["curves"]["pass"]]
    assert [point["y"] for point in found["curves"]["best_of_n"]] == pytest.approx(covered)


def test_the_page_is_a_function_of_the_file(done: tuple[Path, dict[str, Any]]) -> None:
    out, _ = done
    before = (out / "audit.html").read_text()
    (out / "audit.html").unlink()
    assert render(out).read_text() == before


def test_a_file_with_holes_is_shown_as_not_measured(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(json.dumps({"schema": 1, "sentence": "<b>bold</b>", "rates": None}))
    page = render(tmp_path).read_text()
    assert "&lt;b&gt;bold" in page and "not measured" in page
    assert facts({"schema": 1})
    (tmp_path / "audit.json").write_text("[]")
    with pytest.raises(PonderError, match="no audit"):
        render(tmp_path)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"verifier": "nowhere"}, "--verifier"),
        ({"samples": 2}, "--samples"),
        ({"limit": 1}, "--limit"),
        ({"thresholds": (1.5,)}, "--thresholds"),
    ],
)
def test_what_cannot_be_audited_is_refused_by_name(settings: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(PonderError, match=named):
        run(request(tmp_path / "out", **settings), lambda *_: None)
