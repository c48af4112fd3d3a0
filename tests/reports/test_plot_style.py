from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ponder.reports.plot_style import STRATEGIES, marks

NAMES = st.lists(st.sampled_from([*STRATEGIES, *(f"other {i}" for i in range(8))]), max_size=8, unique=True)


@given(NAMES)
def test_no_two_lines_of_a_plot_share_colour_and_marker(names: list[str]) -> None:
    looks = marks(names)
    assert len({(look.colour, look.marker) for look in looks}) == len(names)


@given(NAMES)
def test_a_known_strategy_looks_the_same_in_every_plot(names: list[str]) -> None:
    assert all(look == STRATEGIES[name] for name, look in zip(names, marks(names), strict=True) if name in STRATEGIES)


def test_another_line_keeps_clear_of_the_colours_that_are_taken() -> None:
    vote, best = marks(["vote", "best at each budget"])
    assert (vote.colour, vote.marker) != (best.colour, best.marker)
    assert vote.colour != best.colour and best.dash == "--"
