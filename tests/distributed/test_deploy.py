"""Files of `deploy/` are what the tools that read them take, and name nothing that Ponder does not have."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from jsonschema import validate
from prometheus_client import CollectorRegistry, generate_latest

from ponder.catalogue import flat_settings
from ponder.cli import app
from ponder.distributed.metrics import PoolNumbers, served
from ponder.selfplay.config import Run
from ponder.types import PonderError
from tests.distributed.test_pool import Pools, drawn, requests

DEPLOY = Path(__file__).parents[2] / "deploy"
POD = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["containers"],
            "properties": {
                "containers": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"required": ["name", "image", "resources"]},
                }
            },
        }
    },
}
# The part of KubeRay's RayCluster (ray.io/v1) that the example uses; what is not here would be a slip of the pen.
RAY_CLUSTER = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayCluster"},
        "spec": {
            "type": "object",
            "required": ["headGroupSpec", "workerGroupSpecs", "rayVersion"],
            "additionalProperties": False,
            "properties": {
                "rayVersion": {"type": "string"},
                "authOptions": {"properties": {"mode": {"enum": ["token", "disabled"]}}, "additionalProperties": False},
                "headGroupSpec": {
                    "type": "object",
                    "required": ["rayStartParams", "template"],
                    "additionalProperties": False,
                    "properties": {
                        "serviceType": {"const": "ClusterIP"},
                        "rayStartParams": {"additionalProperties": {"type": "string"}},
                        "template": POD,
                    },
                },
                "workerGroupSpecs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["groupName", "rayStartParams", "template"],
                        "additionalProperties": False,
                        "properties": {
                            "groupName": {"type": "string"},
                            "replicas": {"type": "integer"},
                            "minReplicas": {"type": "integer"},
                            "maxReplicas": {"type": "integer"},
                            "rayStartParams": {"additionalProperties": {"type": "string"}},
                            "template": POD,
                        },
                    },
                },
            },
        },
    },
}


def test_the_kuberay_example_is_a_ray_cluster_of_the_locked_version() -> None:
    cluster: Any = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())
    validate(cluster, RAY_CLUSTER)
    lock = (DEPLOY.parent / "requirements.lock").read_text()
    assert f"ray=={cluster['spec']['rayVersion']}\n" in lock
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["include-dashboard"] == "false"


def test_the_slurm_script_is_a_script_and_asks_slurm_for_what_it_uses() -> None:
    script = DEPLOY / "slurm.sh"
    assert subprocess.run(["bash", "-n", str(script)], capture_output=True, check=False).returncode == 0
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", script.read_text(), re.MULTILINE))
    assert asked["ntasks-per-node"] == "1" and int(asked["gpus-per-node"]) == 4


@pytest.mark.parametrize("name", ["slurm.sh", "kuberay.yaml"])
def test_every_option_and_setting_in_an_example_exists(name: str) -> None:
    text = (DEPLOY / name).read_text()
    run = next(command for command in app.registered_commands if command.callback.__name__ == "run")  # type: ignore[union-attr]
    known = set(run.callback.__annotations__)
    calls = re.findall(r"ponder run ((?:[^\n]|\n#? {2,})*)", text)
    options = {o for call in calls for o in re.findall(r"--([a-z-]+)", call)}
    assert options <= {word.strip("_").replace("_", "-") for word in known}
    settings = {row["key"] for row in flat_settings(Run)}
    used = set(re.findall(r'--set "?([a-z_.]+)=', text))
    assert used and used <= settings


@pytest.mark.parametrize("name", ["Dockerfile.cpu", "Dockerfile.cuda"])
def test_the_container_files_copy_what_is_there_and_run_as_nobody(name: str) -> None:
    text = re.sub(r"\\\n", " ", (DEPLOY / name).read_text())
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0][0] == "FROM" and {word for word, _ in lines} <= {
        "FROM",
        "RUN",
        "COPY",
        "WORKDIR",
        "USER",
        "ENV",
        "CMD",
    }
    for word, rest in lines:
        for source in rest.split()[:-1] if word == "COPY" else []:
            assert (DEPLOY.parent / source).exists(), source
    assert ["USER", "ponder"] in lines
    torch = re.search(r"torch==(\S+)", text)
    assert torch is not None and f"torch=={torch[1]}\n" in (DEPLOY.parent / "requirements.lock").read_text()


def test_the_dashboard_draws_numbers_that_are_served() -> None:
    pools = Pools(engines=1)
    pools.pool.start()
    try:
        drawn(pools.pool, requests(3))
        registry = CollectorRegistry()
        registry.register(PoolNumbers(pools.pool))
        text = generate_latest(registry).decode()
    finally:
        pools.pool.close()
    values = dict(re.findall(r'^(ponder_\w+)(?:\{engine="0"\})? (\S+)$', text, re.MULTILINE))
    assert float(values["ponder_tokens_generated_total"]) > 0 and values["ponder_engine_up"] == "1.0"
    panels = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
    used = {
        name for panel in panels for target in panel["targets"] for name in re.findall(r"ponder_\w+", target["expr"])
    }
    assert len(panels) == 8 and used <= values.keys()


def test_a_port_that_is_taken_is_named() -> None:
    pools = Pools(engines=1)
    with served(pools.pool, 0):
        pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(PonderError, match=rf"cluster.metrics_port={port}: cannot listen there"),
            served(pools.pool, port),
        ):
            pass
    pools.pool.close()
