"""A wrong name is answered with the nearest right one and all that are allowed."""

from __future__ import annotations

import pytest

from ponder.names import known, nearest, pick
from ponder.types import PonderError

TABLE = {"beam": 1, "best_of_n": 2}


def test_a_right_name_is_itself_and_picks_its_entry():
    assert known("strategy", "beam", TABLE) == "beam" and pick("strategy", "best_of_n", TABLE) == 2


def test_the_nearest_name_is_offered_and_none_where_nothing_is_alike():
    assert nearest("beem", TABLE) == "beam" and nearest("zzz", TABLE) is None
    with pytest.raises(PonderError, match=r"unknown strategy 'beem'\. Did you mean 'beam'\? Allowed are: beam, best_"):
        pick("strategy", "beem", TABLE)
    with pytest.raises(PonderError, match=r"unknown strategy 'zzz'\. Allowed are: beam, best_of_n\."):
        known("strategy", "zzz", TABLE)
    with pytest.raises(PonderError, match=r"Allowed are: none\."):
        known("strategy", "beam", [])
