"""Serve a model and spend a budget that each request names: `python examples/serve_with_a_budget.py [MODEL]`.

Any client of OpenAI's API will do; this one uses nothing but the standard library.
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

model = sys.argv[1] if len(sys.argv) > 1 else "tiny"
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
url = f"http://127.0.0.1:{port}"


def ask(question: str, **more: object) -> dict[str, Any]:
    """A chat completion as a plain dictionary."""
    body = {"model": Path(model).name, "messages": [{"role": "user", "content": question}], "seed": 1, **more}
    headers = {"content-type": "application/json"}
    sent = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(sent, timeout=120) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


with tempfile.TemporaryDirectory() as data:
    command = [sys.executable, "-m", "ponder", "serve", model, "--port", str(port), "--data", data]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/health/ready", timeout=5)
                break
            except OSError:
                if server.poll() is not None:
                    sys.exit(f"the server ended with {server.returncode}; `ponder serve {model}` says why")
                time.sleep(0.2)
        for effort in ("low", "high"):
            found = ask("Compute 9+8-3+7.", reasoning_effort=effort)
            used = found["usage"]["completion_tokens"]
            print(f"{effort}: {found['choices'][0]['message']['content']} for {used} token-equivalents")
    finally:
        server.terminate()
        server.wait(60)
