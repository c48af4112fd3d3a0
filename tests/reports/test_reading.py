import json
import math
from pathlib import Path

import pytest

from ponder.reports.run import summary_reader as reading
from ponder.types import PonderError
from tests.reports import synthetic


def test_a_missing_summary_names_the_file_and_the_remedy(tmp_path: Path):
    with pytest.raises(PonderError, match=r"summary\.json does not exist.*--resume"):
        reading.load(tmp_path)


@pytest.mark.parametrize("broken", ['{"schema": 1, "acc', "", "\x00", "[" * 100_000])
def test_a_broken_summary_is_one_clear_error(tmp_path: Path, broken: str):
    (tmp_path / "summary.json").write_text(broken, encoding="utf-8")
    with pytest.raises(PonderError, match=r"summary\.json cannot be read"):
        reading.load(tmp_path)


def test_bytes_that_are_no_text_are_one_clear_error(tmp_path: Path):
    (tmp_path / "summary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PonderError, match=r"summary\.json cannot be read"):
        reading.load(tmp_path)


@pytest.mark.parametrize("other", [[], None, 3, {}, {"schema": 2}, {"schema": None}])
def test_another_schema_is_refused_and_named(tmp_path: Path, other: object):
    synthetic.write(tmp_path, other)
    with pytest.raises(PonderError, match=r"got schema .*expected an object with schema 1"):
        reading.load(tmp_path)


@pytest.mark.parametrize("value", [None, True, "0.5", [], {}, math.nan, math.inf, 10**400])
def test_only_finite_numbers_are_numbers(value: object):
    assert reading.number({"a": value}, "a") is None


def test_a_curve_keeps_its_measurable_points_in_order():
    points = [{"x": 9, "y": 0.2}, {"x": 3, "y": 0.1, "low": 0.0, "high": 0.3, "n": 7}, {"x": 5, "y": None}, "no", None]
    found = reading.curve({"name": "vote", "points": points})
    assert found is not None
    assert [(p.x, p.y, p.n) for p in found.points] == [(3, 0.1, 7), (9, 0.2, 0)]
    assert math.isnan(found.points[1].low)  # an interval that was not measured is not a width of zero


def test_a_curve_without_points_is_no_curve():
    assert reading.curve({"name": "vote", "points": [{"x": None, "y": 1}]}) is None
    assert reading.curve(None) is None


def test_the_synthetic_summary_survives_json(tmp_path: Path):
    assert reading.load(synthetic.write(tmp_path, synthetic.summary())) == json.loads(json.dumps(synthetic.summary()))
