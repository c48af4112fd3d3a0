"""Settings: what is accepted, and the one sentence that each mistake gets."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from ponder.config import Strict, load, resolved
from ponder.runlog import RunLog
from ponder.types import PonderError


class Learner(Strict):
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    clip: float | None = 0.2
    kind: Literal["group_mean", "leave_one_out"] = "group_mean"


class Source(Strict):
    spec: str
    level: int = 3


class Beam(Strict):
    width: int = 4


class Vote(Strict):
    votes: int = 8


class Run(Strict):
    seed: int = 0
    rounds: int = 4
    out: Path = Path("runs")
    shuffle: bool = True
    learner: Learner = Learner()
    sources: tuple[Source, ...] = ()
    strategies: dict[str, Beam | Vote] = {}

    @model_validator(mode="after")
    def _enough_rounds(self):
        if self.rounds > 1000:
            raise ValueError("rounds above 1000 never end; allowed are 1 to 1000")
        return self


def message(*overrides: str, path: Path | None = None) -> str:
    with pytest.raises(PonderError) as caught:
        load(Run, path, overrides)
    text = str(caught.value)
    assert "\n" not in text
    assert "pydantic" not in text
    return text


def test_without_file_and_overrides_the_defaults_hold():
    assert load(Run) == Run()


def test_a_file_and_then_the_overrides_are_applied(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text('seed = 3\n[learner]\nlearning_rate = 1\n[[sources]]\nspec = "countdown"\n')
    run = load(Run, file, ["learner.clip=0.3", "seed=4"])
    assert (run.seed, run.learner.learning_rate, run.learner.clip) == (4, 1.0, 0.3)
    assert run.sources == (Source(spec="countdown"),)


@pytest.mark.parametrize(
    ("override", "check"),
    [
        ("learner.kind=leave_one_out", lambda r: r.learner.kind == "leave_one_out"),
        ('learner.kind="leave_one_out"', lambda r: r.learner.kind == "leave_one_out"),
        ("learner.learning_rate = 3e-5", lambda r: r.learner.learning_rate == 3e-5),
        ("out=runs/a=b", lambda r: r.out == Path("runs/a=b")),
        ("out=2026-01-02", lambda r: r.out == Path("2026-01-02")),
        ("shuffle=false", lambda r: r.shuffle is False),
        ('sources=[{spec="a", level=2}]', lambda r: r.sources == (Source(spec="a", level=2),)),
        ("strategies.wide.width=9", lambda r: r.strategies == {"wide": Beam(width=9)}),
    ],
)
def test_an_override_is_a_toml_value_or_bare_text(override, check):
    assert check(load(Run, None, [override]))


def test_an_override_cannot_smuggle_in_a_second_key():
    assert load(Run, None, ["out=1\nseed=7"]) == Run(out=Path("1\nseed=7"))


def test_a_misspelt_key_is_named_with_its_path_its_value_the_nearest_and_the_allowed_names():
    assert message("learner.lerning_rate=3") == (
        "--set learner.lerning_rate=3: unknown setting learner.lerning_rate, got 3; "
        "did you mean learner.learning_rate? allowed in learner: clip, kind, learning_rate"
    )


def test_a_key_that_lies_deeper_is_found():
    assert "did you mean learner.learning_rate?" in message("learning_rate=3")


def test_a_key_like_no_other_gets_the_list_alone():
    text = message("zzz=1")
    assert "did you mean" not in text
    assert "allowed here: learner, out, rounds, seed, shuffle, sources, strategies" in text


def test_a_misspelt_key_in_a_list_of_tables_is_named_with_its_place(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text('[[sources]]\nspec = "a"\n[[sources]]\nspec = "b"\nlevle = 2\n')
    text = message(path=file)
    assert text.startswith(f"{file}: unknown setting sources[1].levle, got 2; did you mean sources[1].level?")


def test_a_misspelt_key_comes_before_the_missing_one_that_it_caused():
    assert "did you mean sources[0].spec?" in message("sources=[{sepc='a'}]")


def test_a_misspelt_key_inside_a_union_of_tables_is_named_without_the_branch():
    assert "unknown setting strategies.wide.widht" in message("strategies.wide.widht=9")


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("seed=abc", 'seed must be a whole number, got "abc", which is text'),
        ("seed=1.5", "seed must be a whole number, got 1.5, which is a number"),
        ("seed=true", "seed must be a whole number, got true, which is a truth value"),
        ("seed.x=1", 'seed must be a whole number, got {"x": 1}, which is a table'),
        ("shuffle=1", "shuffle must be true or false, got 1"),
        ("learner=3", "learner must be a table, got 3"),
        ("learner.clip=wide", 'learner.clip must be a number, got "wide"'),
        ("learner.learning_rate=-1", "learner.learning_rate must be greater than 0, got -1"),
        (
            "learner.kind=grup_mean",
            "must be 'group_mean' or 'leave_one_out', got \"grup_mean\"; did you mean 'group_mean'?",
        ),
        ("sources=[{level=1}]", "sources[0].spec is missing and has no default"),
        ("out=5", "out must be text in quotes, got 5"),
        ("rounds=2000", "rounds above 1000 never end"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(override, wanted):
    text = message(override)
    assert wanted in text
    assert text.startswith(f"--set {override}: ") or "rounds" in override


def test_further_mistakes_are_counted_and_named():
    assert message("seed=a", "rounds=b").endswith("(and 1 more: rounds)")


@pytest.mark.parametrize("override", ["seed", "=1", ".seed=1", "learner..clip=1"])
def test_an_override_without_key_or_value_is_refused(override):
    assert "expected key.path=value" in message(override)


def test_an_override_below_a_value_is_refused(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("seed = 1\n")
    assert "seed is a value and has no settings below it" in message("seed.low=1", path=file)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"seed = 1\nrounds = = 2\n", "line 2"),
        (b"seed = 1\nseed = 2\n", "line 2"),
        (b"seed = 1\n# \xff\n", "line 2: not UTF-8"),
    ],
)
def test_a_broken_file_is_named_with_the_line(tmp_path, content, wanted):
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    text = message(path=file)
    assert str(file) in text
    assert wanted in text


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    assert "there is no configuration file" in message(path=tmp_path / "none.toml")
    assert "is a folder" in message(path=tmp_path)


def test_settings_cannot_change_after_they_were_checked():
    with pytest.raises(ValidationError):
        Run().seed = 1


def test_resolved_settings_load_again_to_the_same(tmp_path):
    run = load(Run, None, ["learner.clip=0.5", "sources=[{spec='a'}]"])
    RunLog.open(tmp_path, resolved(run)).close()
    assert load(Run, tmp_path / "config.toml") == run
