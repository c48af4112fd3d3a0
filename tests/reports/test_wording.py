import pytest

from ponder.reports import formatting as say
from ponder.reports.run.summary_reader import Estimate

S = say.SPACE


def test_nothing_measured_is_said_and_never_zero():
    shown = [
        say.percent(None),
        say.points(None),
        say.count(None),
        say.power(None),
        say.duration(None),
        say.memory(None),
    ]
    assert shown == ["not measured"] * 6
    assert say.percent_range(Estimate(0.5)) == "interval not measured"
    assert say.points_range(None) == "interval not measured"


def test_zero_is_a_measurement():
    assert say.percent(0.0) == f"0.0{S}%"
    assert say.count(0) == "0"
    assert say.power(0.0) == "0"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.47, "+47.0"), (-0.031, "−3.1"), (0.0, "0.0"), (-0.0001, "0.0"), (0.0001, "0.0")]
)
def test_points_carry_their_sign_and_no_negative_zero(value: float, shown: str):
    assert say.points(value) == shown


def test_intervals_share_their_unit():
    assert say.percent_range(Estimate(0.8, 0.781, 0.84)) == f"78.1 to 84.0{S}%"
    assert say.bounds(Estimate(0.8, 0.781, 0.84)) == "78.1 to 84.0"
    assert say.points_range(Estimate(0.1, -0.02, 0.22)) == "−2.0 to +22.0"


def test_large_numbers_are_named():
    assert [say.count(x) for x in (950, 12_400, 3_210_000, 8e9)] == ["950", "12,400", f"3.21{S}million", f"8{S}billion"]
    assert say.power(3.14e13) == "3.14×10¹³"
    assert say.power(1e12, 1) == "10¹²"
    assert say.power(1.7e-6) == "1.70×10⁻⁶"


def test_sizes_times_and_memory_read_as_people_say_them():
    assert [say.parameters(x) for x in (613_376, 7.2e9, 900, 0, None)] == ["0.61M", "7.2B", "900", None, None]
    assert [say.duration(x) for x in (45, 500, 3900)] == [f"45{S}s", f"8{S}min 20{S}s", f"1{S}h 5{S}min"]
    assert [say.memory(x) for x in (1.43e9, 5e8, 31e9)] == [f"1.4{S}GB", f"500{S}MB", f"31{S}GB"]


def test_names_lose_what_a_plot_cannot_show():
    assert say.human("best_of_n") == "best of n"
    assert "\x00" not in say.human("a\x00b")
    assert len(say.human("x" * 500)) == 40
