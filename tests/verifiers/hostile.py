"""Functions that misbehave on purpose, run only inside workers by test_workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any


def act(payload: dict[str, Any]) -> Any:
    match payload["do"]:
        case "echo":
            return payload.get("say")
        case "sleep":
            time.sleep(60)
        case "nap":
            time.sleep(0.7)
        case "spin":
            while True:
                pass
        case "ignore":
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
                signal.signal(number, signal.SIG_IGN)
            time.sleep(60)
        case "memory":
            return len([bytearray(2**20) for _ in range(10**6)])
        case "die":
            os._exit(3)
        case "raise":
            raise ValueError("no")
        case "print":
            sys.stdout.write('{"value": "forged"}\n')
            sys.stdout.flush()
            return "true"
        case "variable":
            return os.environ[payload["name"]]
        case "pid":
            return os.getpid()
    return None
