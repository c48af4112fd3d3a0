from __future__ import annotations

from ponder.algorithms.dr_grpo import DrGRPO
from ponder.learning.samples import demonstration, pack
from ponder.losses.normalisation import LeftOut
from ponder.types import Credit
from tests.algorithms.batches import batch
from tests.learning.factory import QUESTION, trajectory


def prompt_of(question) -> tuple[int, ...]:
    assert question is QUESTION
    return (5, 6)


def test_a_row_is_prompt_and_response_with_forced_tokens_masked():
    path = trajectory(length=2, forced=2)
    packed = pack([[Credit(path, (0.5,) * 4)]], prompt_of)
    (row,) = packed.samples
    assert (row.prompt, row.response) == ((5, 6), (1, 2, 9, 9))
    assert row.mask_T == (1.0, 1.0, 0.0, 0.0)
    assert row.advantages_T == (0.5,) * 4
    assert row.logprobs_T == (-0.5, -0.5, 0.0, 0.0)
    assert row.version == 7  # of the step that was drawn, not of the forced one
    assert len(row) == 6


def test_dead_groups_are_dropped_and_counted():
    given = batch([1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0], [])
    packed = pack(DrGRPO().credit(given).credits_PG, prompt_of)
    assert (packed.groups, packed.dead, len(packed.samples)) == (5, 4, 2)
    assert packed.dead_share == 0.8
    assert packed.left_out == LeftOut(rows=5, tokens=15)


def test_responses_without_a_free_token_are_dropped_and_counted():
    packed = pack([[Credit(trajectory(0, forced=2), (1.0,) * 2), Credit(trajectory(2), (-1.0,) * 2)]], prompt_of)
    assert packed.empty == 1
    assert [row.response for row in packed.samples] == [(1, 2)]


def test_rows_of_a_group_have_ids_of_their_own():
    packed = pack(DrGRPO().credit(batch([1.0, 0.0, 0.0])).credits_PG, prompt_of)
    assert [row.id for row in packed.samples] == ["q#0", "q#1", "q#2"]


def test_nothing_in_gives_nothing_out():
    packed = pack([], prompt_of)
    assert (packed.samples, packed.dead_share) == ((), None)


def test_a_demonstration_trains_every_response_token():
    row = demonstration("d", [1, 2], [3, 4, 5])
    assert row.mask_T == row.advantages_T == (1.0, 1.0, 1.0)
    assert row.logprobs_T == ()
