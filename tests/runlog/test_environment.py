"""What ran where."""

import re
import subprocess
import sys

import ponder
from ponder.runlog import environment, machine, revision, versions


def test_the_revision_is_a_commit_or_the_version():
    assert re.fullmatch(r"[0-9a-f]{7,40}(-dirty)?|v\d.*", revision())


def test_outside_a_checkout_the_revision_is_the_version(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "ponder" / "runlog" / "environment.py"))
    assert revision() == f"v{ponder.__version__}"


def test_versions_name_what_is_installed_and_leave_out_what_is_not(monkeypatch):
    monkeypatch.setattr(environment, "_LIBRARIES", ("torch", "surely-not-installed"))
    assert set(versions()) == {"python", "torch"}


def test_the_machine_says_cores_processor_memory_and_device():
    found = machine("cuda:0")
    assert found["cores"] >= 1
    assert found["cpu"]
    assert found["memory_bytes"] > 2**28
    assert found["device"] == "cuda:0"


_PEAK = """
from ponder.runlog import peak_memory_bytes
print(peak_memory_bytes())
held = b"x" * 2**27
print(peak_memory_bytes())
del held
print(peak_memory_bytes())
"""


def test_peak_memory_grows_with_what_is_held_and_stays_after_it_is_freed():
    done = subprocess.run([sys.executable, "-c", _PEAK], capture_output=True, text=True, check=True)
    before, during, after = map(int, done.stdout.split())
    slack = 2**22  # the kernel's counters lag by some pages
    assert during >= before + 2**27 - slack
    assert after >= during - slack
