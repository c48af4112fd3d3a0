"""FSDP2 over gloo: several ranks make the gradient, the weights and the checkpoint of one process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from ponder.distributed.fsdp import join
from ponder.types import PonderError
from tests.learning.factory import model, samples, trainer

SECONDS = 480.0
STEPS = 3
# One process imports torch and the library, which costs far more than the steps, and forks the ranks of every group.
WORKER = """
import json, os, signal, sys, traceback
import torch
import torch.distributed as dist
from ponder.distributed import checkpoint
from ponder.distributed.fsdp import full_gradients, full_weights, join, load_whole, sharded_trainer, whole_state
from ponder.learning.checkpoints.state import LearnerState
from ponder.learning.settings import TrainerSettings
from ponder.losses.clipped import Clipped
from tests.learning.factory import model, samples

def rank(out, load, save, steps):
    signal.alarm(240)  # a rank that waits for a lost one
    torch.set_num_threads(1)
    group = join("cpu", seconds=60)
    settings = TrainerSettings(learning_rate=1e-2, warmup_steps=0, max_grad_norm=0.1, micro_tokens=40)
    trainer = sharded_trainer(model(), settings, Clipped(normalisation="token"), group=group)
    if load.endswith(".pt"):
        load_whole(trainer, LearnerState(**torch.load(load, weights_only=True)))
    elif load:
        checkpoint.load(trainer, load)
    for seed in range(*steps):
        report = trainer.update(samples(7, seed=seed))
        assert report.skipped is None, report
    gradients = full_gradients(trainer)
    weights = full_weights(trainer)
    local = sum(p.to_local().numel() for p in trainer.core.parameters.values())
    if save:
        checkpoint.save(trainer, save)
    state = whole_state(trainer)
    if group.rank == 0 and save:
        torch.save(dict(state.__dict__), save + ".pt")
    if group.rank == 0:
        torch.save({"report": report.__dict__, "weights": weights, "gradients": gradients, "local": local}, out)
    dist.destroy_process_group()

def forked(number, job):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.environ.update(job["environment"], RANK=str(number))
        rank(*job["arguments"])
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)

codes = {}
for job in json.loads(sys.argv[1]):
    children = [forked(number, job) for number in range(int(job["environment"]["WORLD_SIZE"]))]
    codes[job["name"]] = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(json.dumps(codes))
"""


def job(
    count: int, folder: Path, name: str, *, load: str = "", save: str = "", steps: tuple[int, int]
) -> dict[str, Any]:
    """Some steps of `count` ranks, as the worker reads it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    return {"name": name, "environment": told, "arguments": [str(folder / f"{name}.pt"), load, save, list(steps)]}


def alone(steps: range) -> Any:
    """The same steps in this process, without any group."""
    made = trainer(model(), _loss(), backend="module", max_grad_norm=0.1, micro_tokens=40)
    for seed in steps:
        assert made.update(samples(7, seed=seed)).skipped is None
    return made


def _loss() -> Any:
    from ponder.losses.clipped import Clipped

    return Clipped(normalisation="token")


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        scale = float(tensor.abs().max()) or 1.0
        torch.testing.assert_close(found[name], tensor, atol=2e-5 * scale, rtol=1e-4, msg=name)


@dataclass(frozen=True)
class Ran:
    """What the groups left: exit codes by group, what was printed, and a file for each."""

    folder: Path
    codes: dict[str, list[int]]
    said: str

    def __getitem__(self, name: str) -> Any:
        assert set(self.codes[name]) == {0}, self.said[-3000:]
        return torch.load(self.folder / f"{name}.pt", weights_only=True)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Three steps on two ranks and their checkpoint, with which one rank, and three, make two steps more."""
    folder = tmp_path_factory.mktemp("ranks")
    saved, after = str(folder / "checkpoint"), (STEPS, STEPS + 2)
    jobs = [job(2, folder, "two", save=saved, steps=(0, STEPS))]
    jobs.append(job(3, folder, "whole on 3", load=f"{saved}.pt", steps=after))
    jobs += [job(count, folder, f"on {count}", load=saved, steps=after) for count in (1, 3)]
    shared = {**os.environ, "OMP_NUM_THREADS": "1"}
    shared["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-c", WORKER, json.dumps(jobs)]
    done = subprocess.run(command, env=shared, capture_output=True, text=True, timeout=SECONDS, check=True)
    return Ran(folder, json.loads(done.stdout.splitlines()[-1]), f"{done.stdout}\n{done.stderr}")


def test_two_ranks_make_the_gradient_and_the_weights_of_one_process(ran: Ran):
    one = alone(range(STEPS))
    same(ran["two"]["weights"], {name: tensor.detach() for name, tensor in one.weights().items()})
    same(ran["two"]["gradients"], {name: p.grad for name, p in one.core.parameters.items()})


def test_each_rank_keeps_half_of_the_weights(ran: Ran):
    whole = sum(p.numel() for p in model().parameters())
    assert whole / 2 <= ran["two"]["local"] <= 0.55 * whole


def test_the_report_is_that_of_the_whole_group(ran: Ran):
    made = alone(range(STEPS - 1))
    expected, found = made.update(samples(7, seed=STEPS - 1)), ran["two"]["report"]
    for name in ("tokens", "forwarded", "flops", "steps", "samples"):
        assert found[name] == getattr(expected, name), name
    for name in ("loss", "entropy", "kl_mismatch", "kl_mismatch_k3", "clip_fraction", "grad_norm"):
        assert found[name] == pytest.approx(getattr(expected, name), rel=1e-4, abs=1e-5), name


@pytest.mark.parametrize("count", [1, 3, "whole"])
def test_a_checkpoint_of_two_ranks_goes_on_at_another_number(ran: Ran, count: object):
    straight = alone(range(STEPS + 2))
    where = "whole on 3" if count == "whole" else f"on {count}"  # whole: as a run's checkpoints hold it
    same(ran[where]["weights"], {name: tensor.detach() for name, tensor in straight.weights().items()})


def test_a_process_that_is_no_rank_is_told_so(monkeypatch: pytest.MonkeyPatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PonderError, match="RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT not set; start it with torchrun"):
        join("cpu")
