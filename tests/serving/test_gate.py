"""Places, the line, and refusals at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from ponder.serving.circuit import Circuit
from ponder.serving.errors import ApiError
from ponder.serving.gate import Gate
from ponder.serving.store import Store


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def later() -> float:
    return time.monotonic() + 1000


def test_places_go_to_the_key_that_holds_the_fewest():
    async def served() -> list[str]:
        gate, order = Gate(1, 10), []
        first = asyncio.Event()

        async def request(key: str, hold: asyncio.Event | None = None) -> None:
            async with gate.place(key, later()):
                order.append(key)
                if hold is not None:
                    await hold.wait()

        tasks = [asyncio.create_task(request("a", first))]
        await asyncio.sleep(0)
        for key in ("a", "a", "a", "b", "c", "b"):
            tasks.append(asyncio.create_task(request(key)))
            await asyncio.sleep(0)
        first.set()
        await asyncio.gather(*tasks)
        assert gate.running == gate.waiting == 0
        return order

    assert run(served()) == ["a", "b", "c", "a", "b", "a", "a"]


def test_a_full_line_refuses_at_once_and_says_when_to_come_again():
    async def asked() -> ApiError:
        gate, hold = Gate(1, 1), asyncio.Event()

        async def request() -> None:
            async with gate.place("a", later()):
                await hold.wait()

        tasks = [asyncio.create_task(request()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as refused:
            async with gate.place("b", later()):
                pass
        hold.set()
        await asyncio.gather(*tasks)
        return refused.value

    error = run(asked())
    assert error.status == 503 and error.code == "overloaded" and int(error.headers["retry-after"]) >= 1


def test_a_key_may_hold_no_more_than_its_tier_allows():
    async def asked() -> int:
        gate, hold = Gate(10, 10), asyncio.Event()

        async def request() -> None:
            async with gate.place("a", later(), most=2):
                await hold.wait()

        tasks = [asyncio.create_task(request()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as refused:
            async with gate.place("a", later(), most=2):
                pass
        async with gate.place("b", later(), most=2):
            pass
        hold.set()
        await asyncio.gather(*tasks)
        return refused.value.status

    assert run(asked()) == 429


def test_who_leaves_the_line_takes_no_place():
    async def left() -> tuple[int, int]:
        gate, hold = Gate(1, 5), asyncio.Event()

        async def request() -> None:
            async with gate.place("a", later()):
                await hold.wait()

        first = asyncio.create_task(request())
        await asyncio.sleep(0)
        second, third = asyncio.create_task(request()), asyncio.create_task(request())
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        hold.set()
        await asyncio.gather(first, third)
        return gate.running, gate.waiting

    assert run(left()) == (0, 0)


def test_a_closed_gate_sends_away_who_waits_and_who_comes():
    async def sent() -> list[int]:
        gate, hold = Gate(1, 5), asyncio.Event()

        async def request() -> int:
            try:
                async with gate.place("a", later()):
                    await hold.wait()
                    return 200
            except ApiError as error:
                return error.status

        tasks = [asyncio.create_task(request()) for _ in range(2)]
        await asyncio.sleep(0)
        gate.close()
        hold.set()
        return [*await asyncio.gather(*tasks), await request()]

    assert run(sent()) == [200, 503, 503]


def test_a_request_is_not_let_into_a_line_that_eats_half_of_its_time():
    async def asked() -> None:
        gate, hold = Gate(1, 100), asyncio.Event()
        async with gate.place("a", later()):
            await asyncio.sleep(0.05)

        async def request() -> None:
            async with gate.place("a", later()):
                await hold.wait()

        task = asyncio.create_task(request())
        await asyncio.sleep(0)
        with pytest.raises(ApiError):
            async with gate.place("a", time.monotonic() + 0.01):
                pass
        hold.set()
        await task

    run(asked())


def test_the_circuit_opens_after_several_failures_and_one_answer_closes_it():
    circuit, broken = Circuit(), ApiError(502, "x", code="engine_error")
    for _ in range(4):
        circuit.heard(broken)
    circuit.check()
    circuit.heard(ApiError(400, "not the engine's fault"))
    circuit.heard(broken)
    with pytest.raises(ApiError) as refused:
        circuit.check()
    assert refused.value.status == 503 and "retry-after" in refused.value.headers
    circuit.heard(None)
    circuit.check()


def test_a_store_forgets_the_oldest_and_shows_a_value_to_its_owner_alone():
    store: Store[str] = Store(10)
    assert store.put("a", "me", "1", 4) and store.put("b", "me", "2", 4)
    assert store.get("a", "me") == "1" and store.get("a", "you") is None and not store.drop("a", "you")
    store.put("c", "me", "3", 4)
    assert store.get("a", "me") is None and store.get("b", "me") == "2" and store.size == 8
    assert not store.put("d", "me", "4", 11)
