"""The run folder: opened once, continued only as itself, and after a kill without gaps and doubles."""

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder.runlog import RunLog, read_config, read_events, read_metrics
from ponder.types import PonderError

CONFIG = {"seed": 0, "out": None, "learner": {"rate": 1e-4, "clip": float("inf")}, "families": ["countdown", "cipher"]}


def test_metrics_and_events_read_back(tmp_path):
    with RunLog.open(tmp_path / "run", CONFIG) as log:
        log.metric(1, round=0, loss=0.5)
        log.event("checkpoint", round=0, path="checkpoints/0")
        log.write_json("summary.json", {"seed": 0})
    (metric,), (event,) = read_metrics(tmp_path / "run"), read_events(tmp_path / "run")
    assert (metric["step"], metric["round"], metric["loss"]) == (1, 0, 0.5)
    assert (event["kind"], event["path"]) == ("checkpoint", "checkpoints/0")
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == {"seed": 0}


def test_the_configuration_reads_back_without_what_is_not_set(tmp_path):
    RunLog.open(tmp_path, CONFIG).close()
    assert read_config(tmp_path) == {key: value for key, value in CONFIG.items() if key != "out"}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=12
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=st.dictionaries(TEXT, VALUES, max_size=5))
def test_any_configuration_reads_back_equal(tmp_path, config):
    folder = tmp_path / uuid.uuid4().hex
    RunLog.open(folder, config).close()
    assert read_config(folder) == config
    RunLog.open(folder, config, resume=True).close()


def test_a_folder_with_content_is_refused_without_resume(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(PonderError, match="is not empty; continue it with --resume"):
        RunLog.open(tmp_path, CONFIG)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_of_something_else_is_not_resumed(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(PonderError, match="is not a run folder"):
        RunLog.open(tmp_path, CONFIG, resume=True)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(PonderError, match="is a file; choose a folder"):
        RunLog.open(tmp_path / "run", CONFIG)
    with pytest.raises(PonderError, match="a part of this path is a file"):
        RunLog.open(tmp_path / "run" / "below", CONFIG)


def test_the_same_configuration_resumes_in_whatever_order_it_is_written(tmp_path):
    RunLog.open(tmp_path, CONFIG).close()
    shuffled = dict(reversed(CONFIG.items())) | {"families": ("countdown", "cipher")}
    with RunLog.open(tmp_path, shuffled, resume=True) as log:
        assert log.config_hash in (tmp_path / "config.toml").read_text()


def test_another_configuration_is_refused_with_the_keys_that_differ(tmp_path):
    RunLog.open(tmp_path, CONFIG).close()
    other = {**CONFIG, "seed": 1, "learner": {"rate": 1e-4}, "rounds": 3}
    with pytest.raises(PonderError) as caught:
        RunLog.open(tmp_path, other, resume=True)
    message = str(caught.value)
    assert "seed was 0 and is now 1" in message
    assert "learner.clip was inf and is now not set" in message
    assert "rounds was not set and is now 3" in message
    assert "rate" not in message
    RunLog.open(tmp_path, CONFIG, resume=True).close()


def test_a_configuration_edited_by_hand_is_refused(tmp_path):
    RunLog.open(tmp_path, CONFIG).close()
    file = tmp_path / "config.toml"
    file.write_text(file.read_text().replace("seed = 0", "seed = 1"))
    with pytest.raises(PonderError, match="was changed after the run began"):
        RunLog.open(tmp_path, {**CONFIG, "seed": 1}, resume=True)


def test_resume_of_a_run_killed_before_its_first_write_begins_it(tmp_path):
    (tmp_path / "run.lock").touch()
    (tmp_path / ".config.toml.partial").write_text("se")
    RunLog.open(tmp_path, CONFIG, resume=True).close()
    assert read_config(tmp_path)["seed"] == 0


def test_a_resumed_run_drops_the_lines_of_the_unfinished_round(tmp_path):
    with RunLog.open(tmp_path, CONFIG) as log:
        log.event("started")
        for step in range(6):
            log.metric(step, round=step // 2)
        log.event("skipped", round=2)
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 6, "rou')
    with RunLog.open(tmp_path, CONFIG, resume=True) as log:
        log.truncate_after(1)
        log.metric(4, round=2)
        log.metric(5, round=2)
    assert [row["step"] for row in log.metrics()] == [0, 1, 2, 3, 4, 5]
    assert [row["kind"] for row in log.events()] == ["started"]


def test_the_first_line_after_a_kill_does_not_continue_the_torn_one(tmp_path):
    RunLog.open(tmp_path, CONFIG).close()
    (tmp_path / "metrics.jsonl").write_text('{"step": 0}\n{"step": 1, "lo')
    with RunLog.open(tmp_path, CONFIG, resume=True) as log:
        log.metric(1)
        log.metric(2)
    assert [row["step"] for row in read_metrics(tmp_path)] == [0, 1, 2]


def test_a_second_opener_in_the_same_process_is_refused_until_the_first_closes(tmp_path):
    first = RunLog.open(tmp_path, CONFIG)
    with pytest.raises(PonderError, match="already open in this process"):
        RunLog.open(tmp_path, CONFIG, resume=True)
    first.close()
    RunLog.open(tmp_path, CONFIG, resume=True).close()


_HOLDER = """
import os, sys, time
from ponder.runlog import RunLog
log = RunLog.open(sys.argv[1], {"seed": 0})
if sys.argv[2] == "with-child" and os.fork() == 0:
    time.sleep(60)
print("open", flush=True)
time.sleep(60)
"""


def _hold(folder, kind):
    command = [sys.executable, "-c", _HOLDER, str(folder), kind]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    return holder


def test_a_second_process_is_refused_and_told_who_holds_the_folder(tmp_path):
    holder = _hold(tmp_path, "alone")
    with pytest.raises(PonderError, match=rf'in use by another run .*"pid": {holder.pid}, "started": "20'):
        RunLog.open(tmp_path, {"seed": 0}, resume=True)
    holder.kill()
    holder.communicate()


@pytest.mark.parametrize("kind", ["alone", "with-child"])
def test_the_lock_of_a_killed_run_is_taken_over_even_if_a_child_of_it_lives(tmp_path, kind):
    holder = _hold(tmp_path, kind)
    holder.kill()
    holder.wait()
    RunLog.open(tmp_path, {"seed": 0}, resume=True).close()
    if kind == "with-child":
        os.killpg(holder.pid, signal.SIGKILL)
    holder.communicate()


def test_a_refused_opening_does_not_keep_the_folder_locked(tmp_path):
    RunLog.open(tmp_path, CONFIG).close()
    with pytest.raises(PonderError):
        RunLog.open(tmp_path, {"seed": 9}, resume=True)
    RunLog.open(tmp_path, CONFIG, resume=True).close()


def test_a_folder_in_the_place_of_the_lock_is_one_sentence(tmp_path):
    RunLog.open(tmp_path, CONFIG).close()
    (tmp_path / "run.lock").unlink()
    (tmp_path / "run.lock").mkdir()
    with pytest.raises(PonderError, match=r"run\.lock: a folder of this name is in the place of a file; remove it"):
        RunLog.open(tmp_path, CONFIG, resume=True)


@pytest.mark.parametrize("name", ["summary.json", "control.json"])
@pytest.mark.parametrize("content", [b'{"schema": 1, "acc', b"[]", b"\xff", b"[" * 100_000])
def test_a_broken_file_is_set_aside_so_that_resuming_makes_it_again(tmp_path, name, content):
    RunLog.open(tmp_path, CONFIG).close()
    (tmp_path / name).write_bytes(content)
    (tmp_path / "other.json").write_text("{}")
    with RunLog.open(tmp_path, CONFIG, resume=True) as log:
        assert not (tmp_path / name).exists()
        assert (tmp_path / f"{name}.broken").read_bytes() == content
        assert (tmp_path / "other.json").exists()
        assert name in log.events()[-1]["warning"]


def test_half_folders_of_a_kill_are_removed_when_a_run_goes_on(tmp_path):
    RunLog.open(tmp_path, CONFIG).close()
    for place in (tmp_path, tmp_path / "policies", tmp_path / "checkpoints"):
        (place / ".tmp-round-0001" / "deep").mkdir(parents=True)
        (place / "round-0001").mkdir()
    RunLog.open(tmp_path, CONFIG, resume=True).close()
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".tmp-")] == []
    assert len(list(tmp_path.rglob("round-0001"))) == 3


def test_what_was_planned_is_there_as_soon_as_the_folder_can_be_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two files leaves a folder that begins anew, and never one that goes on without its plan."""

    def killed(path: Path, config: object) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "run"
    with monkeypatch.context() as during:
        during.setattr("ponder.runlog.folder._write_config", killed)
        with pytest.raises(KeyboardInterrupt):
            RunLog.open(folder, {"seed": 1}, planned={"chosen": [1]})
    with RunLog.open(folder, {"seed": 1}, planned={"chosen": [2]}) as log:
        assert [(event["kind"], event["chosen"]) for event in log.events()] == [("planned", [2])]
    with RunLog.open(folder, {"seed": 1}, resume=True) as log:
        assert [event["chosen"] for event in log.events()] == [[2]]
    other = tmp_path / "other"
    other.mkdir()
    (other / "events.jsonl").write_text('{"kind": "mine"}\n', encoding="utf-8")
    with pytest.raises(PonderError, match="is not empty"):
        RunLog.open(other, {"seed": 1})
