"""A step verifier served by vLLM: log-odds at any positions of a text, from a token-classification checkpoint.

It computes in a process of its own, so that it stands beside a `VllmEngine` (vLLM keeps one distributed state a
process); a script that makes one needs the usual `if __name__ == "__main__"`. Every text is computed whole: vLLM
reads no prefix cache for a model that answers at every token. Logits are taken as they are, without vLLM's
softmax, so that they can be divided by a temperature and a head with one output keeps its scale.

Left out: replacing weights (make a new one), and heads that vLLM does not serve by token.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, PreTrainedModel

from ponder.engines.limits import check_positions, check_tokens
from ponder.engines.vllm.engine import CPU_CACHE, config_of, first_line, library
from ponder.types import PonderError


class VllmPooling:
    """The verifier in `folder`. `context` is the longest text in tokens, by default what the model was made for.

    `memory` is the share of a GPU's memory to take; with a policy on the same GPU both shares must fit. Call `close`,
    or leave it to the garbage collector.
    """

    def __init__(
        self, folder: str | Path, *, context: int | None = None, max_batch: int = 256, memory: float = 0.3
    ) -> None:
        vllm = library()
        config = config_of(folder)
        own = int(getattr(config.get_text_config(), "max_position_embeddings", 0) or 4096)
        self.context = min(own, context or own)
        with torch.device("meta"):
            # Shapes alone: what a judgement costs follows from the number of parameters.
            self.shape: PreTrainedModel = AutoModelForTokenClassification.from_config(config)
        options: dict[str, Any] = {"dtype": "bfloat16", "gpu_memory_utilization": memory}
        if vllm.platforms.current_platform.is_cpu():
            options = {"dtype": "float32", "enforce_eager": True, "gpu_memory_utilization": 0.15}
            options |= {"kv_cache_memory_bytes": CPU_CACHE}
        options |= {"max_model_len": self.context, "max_num_seqs": max_batch, "skip_tokenizer_init": True}
        options |= {"max_num_batched_tokens": max(8192, self.context), "enable_chunked_prefill": False}
        options |= {"enable_prefix_caching": False, "disable_log_stats": True, "runner": "pooling"}
        try:
            with _own_process():
                self._llm = vllm.LLM(model=str(folder), trust_remote_code=False, **options)
        except Exception as error:
            raise PonderError(f"vllm cannot serve {folder} as a verifier: {first_line(error)}") from error
        self._params = vllm.PoolingParams(use_activation=False)

    def log_odds(self, rows: Sequence[Sequence[int]], places: Sequence[Sequence[int]]) -> list[list[float]]:
        """At each place of each row the head's only output, or the log-odds of label 1 of two.

        Raises PonderError for a place that a row has not, a row beyond the context and ids beyond the vocabulary.
        """
        for row, some in zip(rows, places, strict=True):
            check_positions(len(row), some, self.context)
            check_tokens(row, self.shape.config.get_text_config().vocab_size)
        asked = [{"prompt_token_ids": list(row)} for row in rows]
        outputs = self._llm.encode(asked, self._params, pooling_task="token_classify", use_tqdm=False)
        return [_odds(output.outputs.data.float(), some) for output, some in zip(outputs, places, strict=True)]

    def close(self) -> None:
        """End the process."""
        self._llm.llm_engine.engine_core.shutdown()


def _odds(logits_TL: torch.Tensor, places: Sequence[int]) -> list[float]:
    at = logits_TL[list(places)]
    values: list[float] = (at[:, 0] if at.shape[-1] == 1 else at[:, 1] - at[:, 0]).tolist()
    return values


@contextmanager
def _own_process() -> Iterator[None]:
    """While this holds, vLLM starts what it makes in another process."""
    name, before = "VLLM_ENABLE_V1_MULTIPROCESSING", os.environ.get("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ[name] = before
