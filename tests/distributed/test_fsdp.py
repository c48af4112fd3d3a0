"""FSDP2 over gloo: several ranks make the gradient, the weights and the checkpoint of one process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ponder.distributed.fsdp import join
from ponder.types import PonderError
from tests.learning.factory import model, samples, trainer

SECONDS = 240.0
STEPS = 3
WORKER = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
import torch.distributed as dist
from ponder.distributed import checkpoint
from ponder.distributed.fsdp import full_gradients, full_weights, join, sharded_trainer
from ponder.learning.settings import TrainerSettings
from ponder.losses.clipped import Clipped
from tests.learning.factory import model, samples

out, load, save, steps = Path(sys.argv[1]), sys.argv[2], sys.argv[3], range(int(sys.argv[4]), int(sys.argv[5]))
torch.set_num_threads(1)
group = join("cpu", seconds=60)
settings = TrainerSettings(learning_rate=1e-2, warmup_steps=0, max_grad_norm=0.1, micro_tokens=40)
trainer = sharded_trainer(model(), settings, Clipped(normalisation="token"), group=group)
if load:
    checkpoint.load(trainer, load)
losses, gradients = [], {}
for seed in steps:
    report = trainer.update(samples(7, seed=seed))
    assert report.skipped is None, report
    losses.append(report.loss)
gradients = full_gradients(trainer)
weights = full_weights(trainer)
local = sum(p.to_local().numel() for p in trainer.core.parameters.values())
if save:
    checkpoint.save(trainer, save)
if group.rank == 0:
    torch.save({"weights": weights, "gradients": gradients, "local": local}, out)
dist.destroy_process_group()
"""


def ranks(count: int, folder: Path, name: str, *, load: str = "", save: str = "", steps: tuple[int, int]) -> Any:
    """What `count` processes made of some steps."""
    script, out = folder / "worker.py", folder / f"{name}.pt"
    script.write_text(WORKER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    arguments = [str(out), load, save, str(steps[0]), str(steps[1])]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    shared["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH", "")]))
    shared["OMP_NUM_THREADS"] = "1"
    started = [
        subprocess.Popen(
            [sys.executable, str(script), *arguments],
            env={**shared, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        for process in started:
            said, _ = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, said[-3000:]
    finally:
        for process in started:
            process.kill()
    return torch.load(out, weights_only=True)


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


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Three steps on two ranks, and their checkpoint."""
    folder = tmp_path_factory.mktemp("two")
    return folder, ranks(2, folder, "two", save=str(folder / "checkpoint"), steps=(0, STEPS))


def test_two_ranks_make_the_gradient_and_the_weights_of_one_process(two: tuple[Path, Any]):
    one = alone(range(STEPS))
    same(two[1]["weights"], {name: tensor.detach() for name, tensor in one.weights().items()})
    same(two[1]["gradients"], {name: p.grad for name, p in one.core.parameters.items()})


def test_each_rank_keeps_half_of_the_weights(two: tuple[Path, Any]):
    whole = sum(p.numel() for p in model().parameters())
    assert whole / 2 <= two[1]["local"] <= 0.55 * whole


@pytest.mark.parametrize("count", [1, 3])
def test_a_checkpoint_of_two_ranks_goes_on_at_another_number(two: tuple[Path, Any], count: int):
    folder, _ = two
    found = ranks(count, folder, f"on {count}", load=str(folder / "checkpoint"), steps=(STEPS, STEPS + 2))
    straight = alone(range(STEPS + 2))
    same(found["weights"], {name: tensor.detach() for name, tensor in straight.weights().items()})


def test_a_process_that_is_no_rank_is_told_so(monkeypatch: pytest.MonkeyPatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PonderError, match="RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT not set; start it with torchrun"):
        join("cpu")
