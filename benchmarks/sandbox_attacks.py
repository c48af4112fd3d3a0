"""Every attack on the sandbox, one after the other beside honest programs: what fooled us, what did harm.

    python -m benchmarks.sandbox_attacks [--seconds 2]

The list is that of tests/verifiers/code/attacks.txt, those that run into a limit of time included. The time
of a run goes to the end of its last process, so what it exceeds the limit by is the time that killing takes.
"""

from __future__ import annotations

import argparse
import socket
import tempfile
import time
from collections import Counter
from pathlib import Path

from ponder.verifiers.rules.code.limits import Cause, Limits
from ponder.verifiers.rules.code.sandbox import Sandbox
from tests.verifiers.code.attacks import HONEST, TASK, attacks, attacks_on_rows, leftovers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    limits = Limits(seconds=parser.parse_args().seconds, patience=100.0)
    before, causes, lost = leftovers(), Counter[str](), 0
    fooled, unexpected = [], []
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        canary = Path(folder) / "canary"
        canary.write_text("untouched")
        null = Path("/dev/null").stat()
        with Sandbox(limits=limits) as sandbox:
            print(f"isolation: {sandbox.isolation.level}")
            for name, (source, allowed) in attacks(canary, server.getsockname()[1]).items():
                start = time.perf_counter()
                ending = sandbox.run(TASK, source)
                took = time.perf_counter() - start
                causes[ending.cause] += 1
                fooled += [name] if ending.cause is Cause.RIGHT else []
                unexpected += [name] if ending.cause not in allowed else []
                lost += sandbox.run(TASK, HONEST).cause is not Cause.RIGHT
                print(f"{name:35} {took:6.2f} s  {ending.cause:14} {ending.detail[:90]}")
            for name, (task, source) in attacks_on_rows().items():
                ending = sandbox.run(task, source)
                causes[ending.cause] += 1
                fooled += [name] if ending.cause is Cause.RIGHT else []
                lost += sandbox.run(TASK, HONEST).cause is not Cause.RIGHT
                print(f"{name:45} {ending.cause:14} {ending.detail[:90]}")
        harmed = [path.name for path in Path(folder).iterdir() if path != canary]
        harmed += [] if canary.read_text() == "untouched" else ["canary"]
        now = Path("/dev/null").stat()
        harmed += ["/dev/null"] if (now.st_mode, now.st_mtime) != (null.st_mode, null.st_mtime) else []
        try:
            server.accept()
            harmed.append("network")
        except BlockingIOError:
            pass
    left = sorted(set(leftovers()) - set(before))
    print(f"\n{causes.total()} attacks: {', '.join(f'{cause} {count}' for cause, count in causes.most_common())}")
    print(f"fooled {len(fooled)} {fooled}, another cause than allowed {unexpected}, harm {harmed}, left behind {left}")
    print(f"honest programs lost: {lost} of {causes.total()}")


if __name__ == "__main__":
    main()
