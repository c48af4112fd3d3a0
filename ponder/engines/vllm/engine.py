"""vLLM as an engine: official `vllm` on GPUs (the extra `vllm`), a CPU build of it for tests.

It runs in this process, and its `step` is called while somebody waits, as the embedded engine does; so it serves any
event loop. Prompts share their prefixes through vLLM's prefix cache, which is emptied with every update.

Weights are replaced in place, from tensors of this process or from a checkpoint folder. Requests under way end under
the old weights while new ones wait for the update. A replacement went silently wrong before: a CPU build kept the old
output head of models with tied embeddings. So every update ends with a probe that is compared with a forward of the
sender's or of the library, and weights that do not pass are never sampled from (`Probe`).

Left out: two engines at a time, because vLLM keeps its distributed state once for the whole process.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from transformers import AutoConfig, PretrainedConfig

from ponder.engines.limits import check_scored, check_tokens, limit_of
from ponder.engines.vllm.probe import Probe
from ponder.engines.weights import check_version
from ponder.names import install
from ponder.protocols import Completion, Request, Tokenizer, Way, WeightSource
from ponder.types import PonderError, StopReason

# Turns of the event loop that let all that wait join the next step; see `LocalEngine`.
_TURNS = 8
CPU_CACHE = 256 << 20


class VllmEngine:
    """`Engine` over vLLM for the model in `folder`, whose tokenizer is `tokenizer`.

    One position of the model's context is kept back, which vLLM needs for scoring; so `context` is at most the model's
    own less one. `memory` is the share of a GPU's memory to take, `max_batch` the most requests in one step.
    """

    def __init__(
        self,
        folder: str | Path,
        tokenizer: Tokenizer,
        *,
        context: int | None = None,
        max_batch: int = 256,
        memory: float = 0.85,
        dtype: Literal["auto", "float32", "bfloat16"] = "auto",
        version: int = 0,
    ) -> None:
        vllm = library()
        self._config = config_of(folder)
        own = int(getattr(self._config.get_text_config(), "max_position_embeddings", 0) or 4096)
        self._ends = tokenizer.end_ids
        self._params = vllm.SamplingParams
        options: dict[str, Any] = {"gpu_memory_utilization": memory}
        self._on_cpu = bool(vllm.platforms.current_platform.is_cpu())
        if self._on_cpu:
            options = {"enforce_eager": True, "gpu_memory_utilization": 0.15}
            options |= {"kv_cache_memory_bytes": CPU_CACHE, "distributed_executor_backend": "uni"}
            # A seeded draw whose prompt came in parts is taken back through the generator's offset, which no generator
            # of a CPU has: vLLM dies there. Prompts are never cut then.
            options |= {"enable_chunked_prefill": False, "max_num_batched_tokens": max(8192, own)}
        if dtype == "auto":
            dtype = "float32" if self._on_cpu else "bfloat16"
        options |= {"dtype": dtype, "max_model_len": min(own, (context or own) + 1), "max_num_seqs": max_batch}
        options |= {"logprobs_mode": "processed_logprobs", "enable_prefix_caching": True, "disable_log_stats": True}
        try:
            self._llm = vllm.LLM(model=str(folder), trust_remote_code=False, **options)
        except Exception as error:
            raise PonderError(f"vllm cannot start with {folder}: {first_line(error)}") from error
        self._engine = self._llm.llm_engine
        self._context = int(self._llm.model_config.max_model_len) - 1
        self._vocabulary = int(self._llm.model_config.get_vocab_size())
        check_tokens(self._ends, self._vocabulary)
        self._probe = Probe(half=dtype == "bfloat16", vocabulary=self._vocabulary, ends=self._ends)
        self._gate: asyncio.Future[None] | None = None  # closed while an update is under way
        self._version = version
        self._refused = ""
        self._count = 0
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._pump_task: asyncio.Task[None] | None = None
        self.tokens_generated = 0
        self.tokens_prefilled = 0
        self.tokens_reused = 0

    @property
    def version(self) -> int:
        return self._version

    @property
    def context(self) -> int:
        return self._context

    @property
    def active(self) -> int:
        """Requests that vLLM still holds."""
        return int(self._engine.get_num_unfinished_requests())

    async def generate(self, request: Request) -> Completion:
        limit, cut = limit_of(request, self._context)
        check_tokens(request.prompt, self._vocabulary)
        if limit == 0:
            return Completion((), (), cut, self._version)
        # The codec's end tokens end a turn, as on the other engines, and none that vLLM finds by itself. A greedy
        # draw is recorded over the whole vocabulary, so no nucleus may be cut out of it.
        params = self._params(
            max_tokens=limit,
            temperature=request.temperature,
            top_p=request.top_p if request.temperature else 1.0,
            seed=request.seed,
            logprobs=0,
            stop=list(request.stop),
            include_stop_str_in_output=True,
            ignore_eos=True,
            stop_token_ids=list(self._ends),
            skip_special_tokens=False,
        )
        output, version = await self._ask(request.prompt, params)
        completion = self._completion(output, cut, version)
        if request.drawn is not None:
            request.drawn.add(len(completion.tokens), completion.computed, completion.reused)
        return completion

    def _completion(self, output: Any, cut: StopReason, version: int) -> Completion:
        drawn = output.outputs[0]
        tokens = tuple(drawn.token_ids)
        logprobs = tuple(float(row[token].logprob) for token, row in zip(tokens, drawn.logprobs, strict=True))
        if not all(map(math.isfinite, logprobs)):
            raise PonderError(f"a log-probability is not finite (weights version {version}); the weights are broken")
        reused = int(output.num_cached_tokens or 0)
        computed = len(output.prompt_token_ids) - reused
        self.tokens_generated += len(tokens)
        self.tokens_prefilled += computed
        self.tokens_reused += reused
        stop = cut if drawn.finish_reason == "length" else StopReason.STEP
        stop = StopReason.END if tokens and tokens[-1] in self._ends else stop
        return Completion(tokens, logprobs, stop, version, computed, reused)

    async def score(self, prompt: Sequence[int], continuation: Sequence[int]) -> tuple[float, ...]:
        check_scored(len(prompt), len(continuation), self._context)
        check_tokens((*prompt, *continuation), self._vocabulary)
        if not continuation:
            return ()
        params = self._params(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        output, _ = await self._ask((*prompt, *continuation), params)
        self.tokens_prefilled += len(prompt) + len(continuation)
        return _chosen(output, len(prompt))

    @property
    def takes(self) -> tuple[Way, ...]:
        return ("tensors", "path")

    async def update_weights(self, source: WeightSource, version: int) -> None:
        """Let what runs end under the old weights while new requests wait, then replace, check and go on.

        If the check fails PonderError says by how much, and nothing is sampled until weights that pass were loaded.
        """
        while self._gate is not None:
            await asyncio.shield(self._gate)
        check_version(version, self._version)
        self._gate = gate = asyncio.get_running_loop().create_future()
        try:
            while self._waiting:
                await asyncio.wait(list(self._waiting.values()))
            self._load(source, version)
        finally:
            self._gate = None
            gate.set_result(None)

    def replace_weights(self, state: Mapping[str, Any], version: int) -> None:
        check_version(version, self._version)
        if self._waiting:
            raise PonderError(
                f"{len(self._waiting)} requests run: await update_weights, which lets them end, or await them first"
            )
        self._load(WeightSource(tensors=state), version)

    def _load(self, source: WeightSource, version: int) -> None:
        if source.tensors is not None:
            given: dict[str, Any] = {"weights_iterator": list(source.tensors.items())}
        elif source.path is not None:
            given = {"weights_path": str(source.path)}
        else:
            raise PonderError("vllm takes weights as tensors or as the path of a folder, and the source has neither")
        expected = self._probe.expected(source, self._config)
        self._refused = f"the update to version {version} was not finished"
        self._llm.collective_rpc("reload_weights", kwargs=given)
        self._llm.reset_prefix_cache()
        gap = self._probe.gap(expected, self._probed())
        if not gap <= self._probe.allowed:
            self._refused = (
                f"after the update to version {version} log-probabilities differ by {gap:.2g} from those of "
                f"transformers ({self._probe.allowed:g} is allowed)"
            )
            raise PonderError(
                f"vllm: {self._refused}; nothing is sampled from these weights. On a CPU this happens with tied "
                "embeddings: untie them, start a new engine for each version, or use the local engine"
            )
        self._refused, self._version = "", version

    def _probed(self) -> tuple[float, ...]:
        """Log-probabilities of the probe's tokens after its first, outside any event loop."""
        params = self._params(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        [output] = self._llm.generate({"prompt_token_ids": list(self._probe.tokens)}, params, use_tqdm=False)
        return _chosen(output, 1)

    async def _ask(self, tokens: Sequence[int], params: Any) -> tuple[Any, int]:
        """The finished output of one request and the version that drew it; cancelling takes it out of the batch."""
        while self._gate is not None:
            await asyncio.shield(self._gate)
        if self._refused:
            raise PonderError(f"vllm: {self._refused}; load weights that pass first")
        self._count += 1
        name = str(self._count)
        self._engine.add_request(name, {"prompt_token_ids": list(tokens)}, params)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting[name] = future
        if self._pump_task is None or self._pump_task.done() or self._pump_task.get_loop() is not loop:
            self._pump_task = loop.create_task(self._pump())
        version = self._version
        try:
            return await future, version
        finally:
            if self._waiting.pop(name, None):
                self._engine.abort_request([name])

    async def _pump(self) -> None:
        """Step while somebody waits. Whatever goes wrong reaches everyone who does."""
        try:
            turns = _TURNS
            while self._waiting:
                for _ in range(turns):
                    await asyncio.sleep(0)
                finished = [output for output in self._engine.step() if output.finished] if self._waiting else []
                for output in finished:
                    future = self._waiting.pop(output.request_id, None)
                    if future and not future.done():
                        future.set_result(output)
                turns = _TURNS if finished else 1
        except Exception as error:
            waiting, self._waiting = self._waiting, {}
            self._engine.abort_request(list(waiting))
            for future in waiting.values():
                if not future.done():
                    future.set_exception(error)


def _chosen(output: Any, start: int) -> tuple[float, ...]:
    """Log-probabilities of a prompt's own tokens from `start` on."""
    tokens, rows = output.prompt_token_ids[start:], output.prompt_logprobs[start:]
    return tuple(float(row[token].logprob) for token, row in zip(tokens, rows, strict=True))


def config_of(folder: str | Path) -> PretrainedConfig:
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise PonderError(f"vllm: {folder} is no model that transformers knows ({first_line(error)})") from None
    return config


def first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def library() -> Any:
    """The module `vllm`, set to run in this process and to report to nobody."""
    for name, value in (
        ("VLLM_ENABLE_V1_MULTIPROCESSING", "0"),
        ("VLLM_NO_USAGE_STATS", "1"),
        ("VLLM_LOGGING_LEVEL", "ERROR"),
    ):
        os.environ.setdefault(name, value)
    try:
        import vllm
        import vllm.platforms
    except ImportError as error:
        raise PonderError(f"the vllm engine needs vllm, which is not installed; {install('vllm')}") from error
    except Exception as error:
        raise PonderError(f"vllm is installed but cannot be imported ({error}); `pip check` may say why") from error
    return vllm
