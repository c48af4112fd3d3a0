from __future__ import annotations

from typing import Any

from ponder.reports.run import page, tables, work
from tests.reports import synthetic
from tests.reports.test_tables import printed

RATE = {
    "flops_per_second": 3.5e11, "rows": 1024, "inner": 1024, "columns": 2048, "dtype": "float32", "threads": 2,
    "device": "cpu",
}  # fmt: skip


def measured() -> dict[str, Any]:
    data = synthetic.summary()
    part = {"flops": 7e12, "seconds": 100.0, "mfu": 0.2}
    data["work"] = {
        "rate": RATE,
        "parts": {"rollout": part, "update": part | {"mfu": 0.31}, "verifier_scoring": part},
        "rounds": part | {"mfu": 0.12},
        "after": {"evaluation_scoring": {"flops": 5e11, "seconds": None, "mfu": None}},
    }
    data["rounds"][0]["work"] = {"rollout": part, "update": part | {"mfu": 0.31}}
    return data


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_the_table_of_work_has_a_row_a_purpose_and_says_what_was_not_timed():
    grid = tables.work(measured())
    assert grid is not None
    rows = [[plain(cell.value) for cell in row] for row in grid.rows]
    assert rows[0] == ["Rollout", "7.00×10¹²", "1 min 40 s", "7.00×10¹⁰", "20.0 %"]
    assert [row[0] for row in rows[1:]] == [
        "Policy update", "Verifier, scoring", "All rounds, by the clock", "Measuring at the end, verifier",
    ]  # fmt: skip
    assert rows[-1][2:] == ["not measured"] * 3


def test_the_denominator_is_named():
    said = plain(work.note(measured()))
    assert "3.50×10¹¹ FLOPs a second" in said
    assert "1,024 × 1,024 × 2,048 product (float32, cpu, 2 threads)" in said


def test_the_terminal_says_rollout_and_update_in_one_line():
    # The terminal may break the line anywhere.
    said = " ".join(printed(measured(), 300).split())
    assert "Model FLOPs utilisation: rollout 20.0 %, update 31.0 %, rounds by the clock 12.0 %." in said


def test_a_round_shows_its_own_utilisation():
    grid = tables.rounds(measured())
    assert grid is not None
    at = grid.columns.index("Rollout MFU")
    assert [plain(grid.rows[0][i].value) for i in (at, at + 1)] == ["20.0 %", "31.0 %"]
    assert grid.rows[1][at].value == "not measured"


def test_the_page_shows_the_table_or_says_that_there_is_none(tmp_path, monkeypatch):
    synthetic.undrawn(monkeypatch)
    shown = page.render(synthetic.write(tmp_path / "new", measured())).read_text(encoding="utf-8")
    assert "Work by purpose" in shown and "Rollout MFU" in shown
    old = page.render(synthetic.write(tmp_path / "old", synthetic.minimal())).read_text(encoding="utf-8")
    assert "the use of the machine: not recorded" in old


def test_a_summary_of_an_older_version_has_no_line():
    assert tables.work(synthetic.summary()) is None
    assert work.sentence(synthetic.summary()) is None
    assert "utilisation" not in printed(synthetic.summary())


def test_what_thinking_computed_is_said_with_the_verifier_apart():
    parts = {"policy": {"flops": 7e12, "seconds": 100.0, "mfu": 0.2}, "verifier": {"flops": 5e11}}
    said = plain(work.thinking({"work": {"rate": RATE, "parts": parts}}) or "")
    assert said.startswith("The policy computed 7.00×10¹² FLOPs in 1 min 40 s of a busy engine, MFU 20.0 %.")
    assert "The verifier's own: 5.00×10¹¹ FLOPs. MFU is against 3.50×10¹¹" in said
    assert work.thinking({"work": None}) is None
