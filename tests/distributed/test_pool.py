"""A pool of engines answers as one engine does, and loses nothing when its members are lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from ponder.distributed.messages import EngineSpec, packed, unpacked
from ponder.distributed.pool import EnginePool
from ponder.distributed.routing import Router
from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all
from ponder.engines.settings import LocalSettings
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.protocols import Completion, Drawn, Engine, Request, WeightSource
from ponder.selfplay.cluster import Cluster
from ponder.types import EngineError, PonderError
from tests.distributed.places import Started, shared

LOADED = load("tiny")
CODEC = Codec(LOADED.tokenizer)
SPEC = EngineSpec(LOADED.model.config, LOADED.tokenizer, CODEC.end_ids, LocalSettings())
STATE = LOADED.model.state_dict()
OTHER = {name: tensor * 1.01 for name, tensor in STATE.items()}


class Pools:
    """A pool over near members, and what it told."""

    def __init__(self, **settings: Any) -> None:
        self.started = Started(SPEC)
        self.events: list[tuple[str, dict[str, Any]]] = []
        chosen = Cluster(**{"engines": 2, "stall_seconds": 30.0, "start_seconds": 60.0, **settings})
        self.pool = EnginePool(
            self.started.launch, shared, chosen, STATE, heard=lambda kind, facts: self.events.append((kind, facts))
        )

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


@pytest.fixture
def two() -> Iterator[Pools]:
    pools = Pools()
    pools.pool.start()
    yield pools
    pools.pool.close()


def requests(count: int = 12, tokens: int = 40) -> list[Request]:
    prompts = [CODEC.encode(f"Compute {i}+{i}.\n") for i in range(count // 3)]
    return [Request(prompts[i % len(prompts)], tokens, seed=i) for i in range(count)]


def drawn(engine: Engine, asked: list[Request]) -> list[Completion]:
    return gather_all([engine.generate(request) for request in asked])


def plain(completions: list[Completion]) -> list[Any]:
    """All but how much came out of a cache, which depends on who was asked."""
    return [(c.tokens, c.logprobs, c.stop, c.version, c.versions) for c in completions]


@pytest.fixture(scope="module")
def alone() -> list[Any]:
    """What one engine says."""
    return plain(drawn(LocalEngine(load("tiny").model, CODEC), requests()))


def test_two_engines_say_bit_for_bit_what_one_says_and_both_work(two: Pools, alone: list[Any]) -> None:
    assert plain(drawn(two.pool, requests())) == alone
    assert all(member.calls["submit"] for member in two.started.members)
    generated = sum(len(tokens) for tokens, *_ in alone)
    assert two.pool.tokens_generated == generated == two.pool.work.generated


def test_scores_are_those_of_one_engine(two: Pools) -> None:
    text = CODEC.encode("1+1=2\n")
    ours = gather_all([two.pool.score(text[:2], text[2:])])
    assert ours == gather_all([LocalEngine(load("tiny").model, CODEC).score(text[:2], text[2:])])


@pytest.mark.parametrize("fault", ["dead", "stopped"])
def test_what_a_lost_engine_was_asked_is_asked_again_and_said_alike(fault: str, alone: list[Any]) -> None:
    pools = Pools(stall_seconds=0.5)
    pools.pool.start()
    first = pools.started.members[0]
    begun = threading.Event()

    def strike() -> None:
        while not first.calls["submit"]:
            begun.wait(0.001)
        setattr(first, fault, True)

    try:
        with ThreadPoolExecutor(1) as thread:
            struck = thread.submit(strike)
            assert plain(drawn(pools.pool, requests())) == alone
            struck.result()
        assert first.killed
        lost = [facts for kind, facts in pools.events if kind == "engine_lost"]
        assert lost[0]["engine"] == "engine 0 (start 1)" and lost[0]["asked"] > 0
        assert ("it died" if fault == "dead" else "no answer to") in lost[0]["why"]
        assert pools.pool.counted.retried == sum(facts["asked"] for facts in lost)
        assert plain(drawn(pools.pool, requests())) == alone  # with the one that took its place
    finally:
        pools.pool.close()


def test_new_weights_are_live_everywhere_and_in_an_engine_that_starts_later(two: Pools) -> None:
    expected = LocalEngine(load("tiny").model, CODEC)
    expected.replace_weights(OTHER, 3)
    new = plain(drawn(expected, requests()))
    asyncio.run(two.pool.update_weights(WeightSource(tensors=OTHER), 3))
    assert two.pool.version == 3
    assert plain(drawn(two.pool, requests())) == new
    for member in list(two.started.members):
        member.dead = True
    assert plain(drawn(two.pool, requests())) == new
    assert two.kinds().count("engine_lost") == 2


def test_an_engine_that_was_given_up_is_not_heard(two: Pools, alone: list[Any]) -> None:
    """The old process goes on working for a while, as an actor outlives its raylet; its answers are nobody's."""
    old = two.started.members[0]
    two.pool.background.run(_give_up(two.pool), 5.0, "giving up")
    assert plain(drawn(two.pool, requests())) == alone
    assert not old.calls["submit"]


async def _give_up(pool: EnginePool) -> None:
    from ponder.distributed.members import Lost

    slot = pool._slots[0]
    pool._lose(slot, slot.member, Lost("cut off"))


def test_older_and_misshapen_weights_are_refused_and_nothing_changes(two: Pools, alone: list[Any]) -> None:
    two.pool.replace_weights(STATE, 2)
    with pytest.raises(PonderError, match="version 1 are refused: version 2 is live"):
        two.pool.replace_weights(STATE, 1)
    with pytest.raises(PonderError, match="not finite; nothing was replaced"):
        two.pool.replace_weights({n: t * float("nan") for n, t in STATE.items()}, 3)
    assert two.pool.version == 2
    two.pool.replace_weights(STATE, 2)
    found = plain(drawn(two.pool, requests()))
    assert [row[:3] for row in found] == [row[:3] for row in alone] and {row[3] for row in found} == {2}


def test_a_place_that_never_comes_up_is_left_and_the_others_go_on(alone: list[Any]) -> None:
    pools = Pools(restarts=1)
    pools.pool.start()
    try:
        pools.started.refuse = 99
        pools.started.members[0].dead = True
        assert plain(drawn(pools.pool, requests())) == alone
        pools.started.members[1].dead = True
        with pytest.raises(PonderError, match=r"no engine is left: each was lost 2 times in a row.*no node has room"):
            drawn(pools.pool, requests())
        assert pools.kinds().count("engine_abandoned") == 2
    finally:
        pools.pool.close()


def test_a_request_that_kills_every_engine_fails_and_the_others_do_not_wait_for_it() -> None:
    pools = Pools(engines=1, tries=2)
    pools.pool.start()
    try:
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(drawn, pools.pool, requests(3))
            seen = 0
            while not asked.done():
                for member in pools.started.members[seen:]:
                    if member.calls["submit"]:
                        member.dead, seen = True, seen + 1
            with pytest.raises(
                EngineError, match=r"on 2 engines when they were lost \(cluster.tries\), last .*it died"
            ):
                asked.result()
    finally:
        pools.pool.close()


def test_an_answer_that_takes_too_long_fails_by_name() -> None:
    pools = Pools(engines=1, request_seconds=0.3)
    pools.pool.start()
    pools.started.members[0].stopped = True
    try:
        with pytest.raises(
            EngineError, match=r"no answer within 0.3 s \(cluster.request_seconds\); on (engine 0|no engine)"
        ):
            drawn(pools.pool, requests(3))
    finally:
        pools.pool.close()


def test_what_a_cancelled_request_cost_is_told(two: Pools) -> None:
    cost = Drawn()

    async def cancelled() -> None:
        long = Request(CODEC.encode("Compute 1+1.\n"), 10_000, seed=0, temperature=5.0, drawn=cost)
        task = asyncio.ensure_future(two.pool.generate(long))
        await asyncio.sleep(0.3)
        task.cancel()
        for _ in range(500):
            if cost.requests:
                return
            await asyncio.sleep(0.01)

    asyncio.run(cancelled())
    assert cost.requests == 1 and cost.prefilled > 0


def test_a_refused_request_is_refused_as_by_one_engine(two: Pools) -> None:
    with pytest.raises(PonderError, match="the prompt is empty"):
        drawn(two.pool, [Request((), 5, seed=0)])


def test_weights_survive_the_journey_to_the_bit() -> None:
    half = {"a": torch.randn(3, 2).bfloat16(), "b": torch.arange(4.0)}
    half["tied"] = half["b"]
    sent = packed(half)
    assert set(sent.arrays) == {"a", "b"} and sent.bytes == 12 + 16
    found = unpacked(sent)
    assert found.keys() == half.keys()
    assert all(torch.equal(found[n], half[n]) and found[n].dtype == half[n].dtype for n in half)


def test_routes_follow_what_was_read_and_do_not_pile_up() -> None:
    router, load = Router(slack=2), {0: 0, 1: 0}
    a, b = tuple(range(40)), tuple(range(100, 140))
    assert router.choose(a, load) == 0
    assert router.choose(b, {0: 1, 1: 0}) == 1
    assert router.choose((*a, 7), {0: 2, 1: 0}) == 0  # its prefix is there, and it is ahead by no more than the slack
    assert router.choose((*a, 8), {0: 3, 1: 0}) == 1
    router.forget(0)
    assert router.choose(a, {0: 1, 1: 0}) == 1
    assert router.choose(a, {0: 0}) == 0  # only those that are ready


@pytest.mark.parametrize("name", ["OutOfDiskError", "ObjectStoreFullError"])
def test_a_full_object_store_is_said_with_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    from ponder.distributed import ray_members

    def full(value: object) -> None:
        raise getattr(ray.exceptions, name)("no room")

    monkeypatch.setattr(ray, "put", full)
    with pytest.raises(PonderError, match=rf"the disk under its folder \({name}\).*--object-store-memory.*--resume"):
        ray_members.share(packed({"w": torch.zeros(2)}))
