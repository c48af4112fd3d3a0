"""What was sampled comes back as it was: tokens, log-probabilities, steps, verdicts; None where nothing is known."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ponder.rollout import store
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict

QUESTION = Question("q-1", "toy", "2+2?", level=3)
FIRST = Step((5, 6), (-0.5, -0.25), "2+2=4\n", 7, StopReason.STEP)
LEAF = Step((8,), (0.0,), "4", 7, StopReason.END, FIRST, forced=True)
OTHER = Step((9,), (-1.5,), "5", 7, StopReason.LENGTH)
GROUP = Group(
    Problem(QUESTION, Key("4")),
    (Trajectory(QUESTION, LEAF), Trajectory(QUESTION, OTHER)),
    (Verdict(outcome=1.0, extracted="4"), Verdict(failure="timeout", detail="no answer in 2 s")),
)


def test_rows_come_back_in_order(tmp_path: Path):
    store.write(tmp_path / "deep" / "round-0001.parquet", [[], [GROUP]])
    right, broken = store.read(tmp_path / "deep" / "round-0001.parquet")
    assert (right["update"], right["group"], right["problem"], right["level"]) == (1, 0, "q-1", 3)
    assert right["tokens"] == [5, 6, 8] and right["logprobs"] == [-0.5, -0.25, 0.0]
    assert right["steps"] == ["2+2=4\n", "4"] and right["step_lengths"] == [2, 1] and right["forced"] == [False, True]
    assert (right["outcome"], right["failure"], right["extracted"], right["stop"]) == (1.0, None, "4", "end")
    assert (broken["outcome"], broken["failure"], broken["detail"]) == (None, "timeout", "no answer in 2 s")


def test_a_round_played_again_replaces_its_file(tmp_path: Path):
    path = tmp_path / "round-0001.parquet"
    store.write(path, [[GROUP], [GROUP]])
    store.write(path, [[GROUP]])
    assert len(store.read(path)) == 2
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_other_files_are_refused_by_name(tmp_path: Path):
    with pytest.raises(PonderError, match="no such file"):
        store.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("not a table")
    with pytest.raises(PonderError, match="that can be read"):
        store.read(tmp_path / "text.parquet")
    pq.write_table(pa.table({"steps": [["a"]]}), tmp_path / "other.parquet")
    with pytest.raises(PonderError, match="no column update"):
        store.read(tmp_path / "other.parquet")
