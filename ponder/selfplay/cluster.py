"""Where the parts of a run stand when it is given a cluster (`ponder run --cluster`). Nothing here changes a result."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ponder.config import Strict

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]


class Cluster(Strict):
    """How many processes do what, what each of them holds, and how long is waited for one. Used with --cluster alone.

    `engines` sample, each with `engine_cpus` processors (its threads) and `engine_gpus` GPUs. `learners` train the
    policy, the ranks of one group with `learner_cpus` processors and `learner_gpus` GPUs each (0: the driver trains it
    itself); an update may take them `update_seconds`. `graders` check answers, one processor each (0: in the driver's
    own worker processes). `start_seconds` is the longest start of a part, its
    wait for resources included; a part that gives no sign of life for `stall_seconds` is given up and replaced;
    `request_seconds` is the longest that one answer may take. A part that was lost `restarts` times in a row, without
    a result in between, is not started again, and a request that was on `tries` engines when they were lost fails: it
    may be what kills them. `metrics_port` serves numbers for Prometheus on 127.0.0.1 (0: not).

    None of these is part of what a run computes, so a run may be resumed with others. (Another number of learners adds
    up the same gradient in another order: the last bits of float32 differ.)
    """

    engines: Positive = 1
    engine_cpus: Positive = 1
    engine_gpus: Annotated[float, Field(ge=0)] = 0.0
    learners: Count = 0
    learner_cpus: Positive = 1
    learner_gpus: Annotated[int, Field(ge=0, le=1)] = 0
    graders: Count = 0
    start_seconds: Seconds = 300.0
    stall_seconds: Seconds = 60.0
    request_seconds: Seconds = 3600.0
    update_seconds: Seconds = 3600.0
    restarts: Count = 10
    tries: Positive = 5
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
