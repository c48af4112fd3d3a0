"""A chat template is a program that came with the model: it is tried in a process of its own before it is trusted.

The sandbox of jinja2 keeps a template from reaching anything, but not from looping for ever or filling the memory.
"""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache

SECONDS = 5
_MEMORY = 2**30
_TOO_LARGE = 9
# The same environment in which transformers renders. Errors are found later, where they can be explained.
_TRIAL = f"""
import json, resource, sys
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS}))
resource.setrlimit(resource.RLIMIT_AS, ({_MEMORY}, {_MEMORY}))
def refuse(message): raise ValueError(message)
made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
made.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
made.globals.update(raise_exception=refuse, strftime_now=lambda form: form)
say = lambda role: {{"role": role, "content": "2 + 2?"}}
talks = [[say("user")], [say("system"), say("user")], [say("user"), say("assistant"), say("user")]]
source = sys.stdin.read()
for talk in talks:
    for opened in (True, False):
        try:
            made.from_string(source).render(
                messages=talk, add_generation_prompt=opened, bos_token="<s>", eos_token="</s>", tools=None
            )
        except MemoryError:
            sys.exit({_TOO_LARGE})
        except Exception:
            pass
"""


@lru_cache(maxsize=16)
def hangs(template: str) -> bool:
    """Whether `template` takes more than 5 seconds of processor time or 1 GB for a short conversation."""
    command = [sys.executable, "-c", _TRIAL]
    try:
        done = subprocess.run(
            command, input=template, text=True, capture_output=True, timeout=20 * SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode < 0 or done.returncode == _TOO_LARGE
