import html
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.reports.run import page
from ponder.types import PonderError
from tests.reports import synthetic

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}$\\frac{\x00\u202e"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page.render(synthetic.write(tmp_path_factory.mktemp("full"), synthetic.summary()))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def visible(source: str) -> str:
    """The words of a page, without styles, drawings and tags."""
    source = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", source, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", source)).replace("\u00a0", " ")


def leaves(value: Any) -> Iterator[Any]:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if members is None:
        yield value
    else:
        for member in members:
            yield from leaves(member)


def spoiled(value: Any, bad: Any) -> Any:
    """The same shape with every leaf replaced."""
    if isinstance(value, dict):
        return {key: spoiled(member, bad) for key, member in value.items()}
    return [spoiled(member, bad) for member in value] if isinstance(value, list) else bad


def test_the_page_and_its_pictures_are_written(full: Path):
    assert full.name == "report.html"
    pictures = {path.stem for path in full.parent.glob("*.png")}
    names = "accuracy train_time test_time test_time_before test_time_families verifier levels tokens solve_rate"
    assert pictures == {*names.split(), "natural", "coverage", "lead"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in full.parent.glob("*.png"))
    assert not list(full.parent.glob(".*"))


def test_the_page_asks_the_network_for_nothing(full: Path):
    source = text_of(full)
    assert "http:" not in source
    assert "https:" not in source
    assert not re.search(r"@import|url\((?!#)|<script|<link(?! rel=\"icon\" href=\"data:,\")|<iframe|<object", source)
    assert all(link.startswith("#") or link == "data:," for link in re.findall(r'(?:href|src)="([^"]*)"', source))
    assert "default-src 'none'" in source


def test_every_link_inside_the_page_has_a_target(full: Path):
    source = text_of(full)
    targets = re.findall(r'\bid="([^"]*)"', source)
    used = re.findall(r'href="#([^"]*)"', source) + re.findall(r"url\(#([^)]*)\)", source)
    assert set(used) <= set(targets)
    sections = re.findall(r'<section id="([^"]*)"', source)
    assert len(sections) == len(set(sections)) == 10


def test_the_page_is_small(full: Path):
    assert full.stat().st_size < 3_000_000


def test_every_percentage_comes_from_the_summary(full: Path):
    numbers = [x for x in leaves(synthetic.summary()) if isinstance(x, int | float)]
    known = {f"{100 * x:.{digits}f}" for x in numbers for digits in (0, 1)}
    fixed = {"95", "80", "30", "45"}  # the level of all intervals, and the examples of the glossary
    mean_dead = "22"  # the one mean that the page itself takes: over the dead groups of ten rounds
    words = re.sub(r"(\d+\.\d) to (\d+\.\d)", r"\1 % to \2 %", visible(text_of(full)))
    shown = set(re.findall(r"(\d+(?:\.\d+)?) %", words))
    assert len(shown) > 100
    assert shown - known - fixed <= {mean_dead}


def test_every_drawing_is_described_in_words(full: Path):
    labels = re.findall(r'role="img" aria-label="([^"]*)"', text_of(full))
    assert len(labels) == text_of(full).count("<svg") == 14
    assert all(len(label) > 40 for label in labels)


def test_plots_follow_the_colour_scheme(full: Path):
    drawings = re.findall(r"<svg.*?</svg>", text_of(full), flags=re.DOTALL)
    for drawing in drawings:
        fixed = set(re.findall(r"#[0-9a-f]{6}\b", drawing))
        assert not fixed, fixed
        assert "var(--ink)" in drawing


def test_terms_are_explained_and_selection_is_not_sold_as_control(full: Path):
    words = visible(text_of(full))
    for term in ("token-equivalent", "pass@1", "selection, not control", "Bands are 95 % intervals"):
        assert term in words


def test_a_changed_answer_shows_both_models(full: Path):
    article = text_of(full).split("Changed from wrong to right: countdown")[1].split("</article>")[0]
    base, final = article.split("✓ right")
    assert "(6-1)+3" in base.split("<h4>Base</h4>")[1]
    assert "(6*3)*1" in final


def test_notes_of_curves_stand_below_their_plot(full: Path):
    assert "Vote: the samples ran out." in visible(text_of(full))


def test_a_run_that_measured_nothing_says_so(tmp_path: Path):
    path = page.render(synthetic.write(tmp_path, synthetic.minimal()))
    words = visible(text_of(path))
    assert words.count("not measured") >= 10
    assert "No transcripts were kept." in words
    assert "not recorded" in words
    assert not re.search(r"\b0(\.0)? %|None|nan", words)
    assert not list(tmp_path.glob("*.png"))


def test_all_leaves_null_is_the_same_as_nothing_measured(tmp_path: Path):
    data = spoiled(synthetic.summary(), None) | {"schema": 1}
    words = visible(text_of(page.render(synthetic.write(tmp_path, data))))
    assert not re.search(r"\bNone\b|\bnan\b", words)
    assert words.count("not measured") > 100


def test_hostile_text_stays_text(tmp_path: Path):
    data = synthetic.summary()
    for row in data["accuracy"] + data["greedy"]:
        row["family"] = EVIL
    for item in data["transcripts"]:
        item.update(question=EVIL, key=EVIL, before=EVIL, kind=EVIL, family=EVIL)
        item["steps"] = [{"text": EVIL + "\n", "score": 0.5}] * 30
    data["command"] = data["revision"] = data["model"]["name"] = EVIL
    data["curves"]["test_time"] = {EVIL: [dict(c, name=EVIL) for c in data["curves"]["test_time"]["all"]]}
    data["rounds"] = [{"round": 0, "levels": {EVIL: 3}, "failures": {EVIL: 1}}]
    data["curves"]["train_time"] = None
    data["versions"] = {EVIL: EVIL}
    source = text_of(page.render(synthetic.write(tmp_path, data)))
    assert "<script" not in source
    assert "<img" not in source
    assert "{{ 7*7 }}" in html.unescape(source)  # neither run as a template nor dropped
    assert "\x00" not in source
    assert "\u202e" not in source


def test_all_text_everywhere_renders(tmp_path: Path):
    data = spoiled(synthetic.summary(), EVIL) | {"schema": 1}
    source = text_of(page.render(synthetic.write(tmp_path, data)))
    assert "<script" not in source


PATHS = [(key,) for key in synthetic.summary()] + [
    ("curves", "train_time", "fit"), ("curves", "train_time", "curve", "points"), ("curves", "test_time"),
    ("accuracy", 0, "base"), ("accuracy", -1, "final", "low"), ("rounds", 0), ("rounds", 1, "verifier"),
    ("rounds", 2, "levels"), ("rounds", 0, "round"), ("transcripts", 0, "steps"), ("transcripts", 0, "steps", 0),
    ("curves", "train_time", "fit", "midpoint"), ("curves", "train_time", "fit", "exponent"),
    ("curves", "train_time", "fit", "tail_points"), ("curves", "test_time", "all", 0, "points", 0, "x"),
    ("unsolved", "solved_by_final"), ("decoding", 1, "gain"), ("decoding", 2, "temperatures"), ("coverage", -1, "gain"),
    ("coverage", 0, "k"), ("unsolved", "solved_by_base"), ("verifier_training", "run"),
    ("accuracy", -1, "over_rejection"),
    ("verifier_gain", "budget"), ("model", "parameters"), ("seconds", "total"),
]  # fmt: skip
BAD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1e300, -1e300, 1e-300, math.nan, math.inf, "text", "", [], {}, [None], [[]]]
)


@settings(max_examples=60, deadline=None)
@given(path=st.sampled_from(PATHS), bad=BAD)
def test_no_single_broken_part_breaks_the_words(path: tuple[Any, ...], bad: Any):
    data = synthetic.summary()
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = bad
    assert page._content(data)["said"]["headline"]


@pytest.mark.parametrize("bad", [None, 0, -1, 1e300, 1e-300, "text", []])
def test_no_broken_number_breaks_the_training_plot(bad: Any, tmp_path: Path):
    fit = dict.fromkeys(("start", "asymptote", "midpoint", "exponent", "tail_points"), bad)
    points = [{"x": x, "y": 0.5, "low": bad, "high": 0.6, "n": bad} for x in (bad, 3e12, 5e12)]
    data = {"schema": 1, "curves": {"train_time": {"curve": {"name": "self-play", "points": points}, "fit": fit}}}
    assert "<svg" in text_of(page.render(synthetic.write(tmp_path, data)))


def test_the_same_summary_gives_the_same_page(tmp_path: Path):
    data = {"schema": 1, "curves": {"train_time": synthetic.summary()["curves"]["train_time"]}}
    first, second = (text_of(page.render(synthetic.write(tmp_path / name, data))) for name in "ab")
    assert first == second


def test_a_full_disk_is_one_clear_error_and_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = synthetic.write(tmp_path, synthetic.minimal())
    (folder / "report.html").write_text("old")
    whole = Path.write_text

    def full_disk(self: Path, text: str, **more: Any) -> int:
        whole(self, text[:10], **more)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(PonderError, match=r"report\.html: the disk is full"):
        page.render(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "summary.json"]
    assert text_of(folder / "report.html") == "old"
