import io
from typing import Any

from rich.console import Console

from ponder.reports.run import tables
from tests.reports import synthetic


def printed(data: dict[str, Any], width: int = 110) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(tables.console(data))
    return out.getvalue().replace("\u00a0", " ")


def test_the_closing_table_shows_every_family_with_intervals():
    text = printed(synthetic.summary())
    for shown in ("arithmetic", "cipher", "countdown", "mean", "88.3 %", "84.5 to 92.1", "+45.4", "+42.3 to +48.5"):
        assert shown in text


def test_the_closing_table_says_what_was_not_measured():
    data = synthetic.summary()
    data["accuracy"][0]["control"] = None
    assert "not measured" in printed(data)
    assert "The accuracy of this run was not measured." in printed(synthetic.minimal())


def test_markup_in_a_name_is_text():
    data = synthetic.summary()
    data["accuracy"][0]["family"] = "[red]x[/red] [/]"
    assert "[red]x[/red]" in printed(data, 200)


def test_greedy_rows_have_only_the_columns_that_were_measured():
    grid = tables.accuracy(synthetic.summary(), "greedy")
    assert grid is not None
    assert grid.columns == ("Family", "Base", "Final")


def test_rows_are_as_long_as_their_header():
    for grid in (
        tables.accuracy(synthetic.summary()),
        tables.rounds(synthetic.summary()),
        tables.rounds({"rounds": [{}]}),
    ):
        assert grid is not None
        assert {len(row) for row in grid.rows} == {len(grid.columns)}


def test_a_round_without_failures_says_none_and_an_unknown_one_says_so():
    grid = tables.rounds({"rounds": [{"failures": {"timeout": 0}}, {}, {"failures": {"timeout": 2}}]})
    assert grid is not None
    assert [row[-1].value.replace("\u00a0", " ") for row in grid.rows] == ["none", "not measured", "timeout 2"]


def test_the_joint_curves_come_before_those_of_families():
    assert next(iter(tables.strategies(synthetic.summary()))) == "all"
