"""What is written as TOML reads back equal."""

import tomllib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.runlog.toml import dumps

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_any_table_reads_back_equal(table):
    assert tomllib.loads(dumps(table)) == table


def test_what_is_not_set_is_left_out():
    assert tomllib.loads(dumps({"a": None, "b": {"c": None, "d": 1}, "e": [{"f": None}]})) == {"b": {"d": 1}, "e": [{}]}


def test_a_type_that_toml_does_not_know_is_refused():
    with pytest.raises(TypeError, match="TOML has no form for"):
        dumps({"when": datetime.now(UTC)})
