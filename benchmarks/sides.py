"""One side of a comparison between engines that cannot live in one environment: a process that works when told to.

    python -m benchmarks.sides local|vllm FOLDER        (benchmarks.vllm_generation starts it)

It loads the model in FOLDER and says so; then each line of its input is a JSON object with `prompts` (lists of ids),
`new_tokens`, `seed` and `logprobs`, and answered by one line with what that took. The side `vllm` imports nothing of
Ponder, so that vLLM's environment needs nothing else. Times are of the work alone: ids in, ids out.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

Prompts = Sequence[Sequence[int]]
# Prompts, new tokens of each, seed, whether the caller wants log-probabilities; gives how many tokens were drawn.
Generate = Callable[[Prompts, int, int, bool], int]


def local(folder: str) -> tuple[Generate, dict[str, Any]]:
    """Ponder's own engine. Log-probabilities are always there."""
    import torch

    from benchmarks.models import Endless
    from ponder.engines.local.engine import LocalEngine
    from ponder.engines.loop import gather_all
    from ponder.models.load import load
    from ponder.protocols import Request

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    engine = LocalEngine(load(folder).model, Endless())

    def generate(prompts: Prompts, new_tokens: int, seed: int, _: bool) -> int:
        requests = [Request(tuple(row), new_tokens, seed + i) for i, row in enumerate(prompts)]
        return sum(len(done.tokens) for done in gather_all(map(engine.generate, requests)))

    return generate, {"torch": torch.__version__, "threads": torch.get_num_threads()}


def vllm(
    folder: str, dtype: str = "float32", *, eager: bool | None = None, cache_bytes: int = 1 << 30
) -> tuple[Generate, dict[str, Any]]:
    """VLLM in one process, in its faster settings: no text, no seed a request, log-probabilities only if asked for.

    Its prefix cache is off, since it would keep the prompts of one turn for the next. PONDER_VLLM_COMPILED=1 lets it
    compile the model.
    """
    import torch
    import vllm as library

    eager = os.environ.get("PONDER_VLLM_COMPILED") != "1" if eager is None else eager
    llm = library.LLM(
        model=folder,
        dtype=dtype,
        enforce_eager=eager,
        max_model_len=1024,
        max_num_seqs=256,
        gpu_memory_utilization=0.15,
        kv_cache_memory_bytes=cache_bytes,
        enable_prefix_caching=False,
        skip_tokenizer_init=True,
        disable_log_stats=True,
        distributed_executor_backend="uni",
    )

    def generate(prompts: Prompts, new_tokens: int, _: int, logprobs: bool) -> int:
        params = library.SamplingParams(
            max_tokens=new_tokens,
            temperature=1.0,
            ignore_eos=True,
            detokenize=False,
            logprobs=0 if logprobs else None,
        )
        asked = [{"prompt_token_ids": list(row)} for row in prompts]
        return sum(len(done.outputs[0].token_ids) for done in llm.generate(asked, params, use_tqdm=False))

    about = {"vllm": library.__version__, "torch": torch.__version__, "threads": torch.get_num_threads()}
    return generate, {**about, "eager": eager}


def serve(generate: Generate, about: dict[str, Any], answers: Any) -> None:
    """Answer until the input ends."""
    print(json.dumps(about), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        wall, processor = time.perf_counter(), time.process_time()
        tokens = generate(asked["prompts"], asked["new_tokens"], asked["seed"], asked["logprobs"])
        took = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
        print(json.dumps({"tokens": tokens, **took}), file=answers, flush=True)


def main() -> None:
    name, folder = sys.argv[1:]
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(*{"local": local, "vllm": vllm}[name](folder), answers)


if __name__ == "__main__":
    main()
