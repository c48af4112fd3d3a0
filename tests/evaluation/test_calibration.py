from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.evaluation.audit.calibration import (
    accuracy,
    auc,
    expected_calibration_error,
    first_error,
    first_error_f1,
    precision_recall,
    verifier_quality,
)
from ponder.types import PonderError


def test_auc_by_hand():
    assert auc([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0]) == pytest.approx(0.75)
    assert auc([0.5, 0.5], [1, 0]) == pytest.approx(0.5)
    assert auc([0.1, 0.9], [1, 0]) == 0.0


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=20))
def test_auc_is_the_share_of_pairs_in_the_right_order_with_ties_half(pairs):
    right = [s for s, y in pairs if y]
    wrong = [s for s, y in pairs if not y]
    found = auc([s / 4 for s, _ in pairs], [float(y) for _, y in pairs])
    if not right or not wrong:
        assert found is None
    else:
        wins = sum((r > w) + 0.5 * (r == w) for r in right for w in wrong)
        assert found == pytest.approx(wins / (len(right) * len(wrong)))


def test_one_class_only_leaves_ranking_undefined():
    assert auc([0.2, 0.9], [1, 1]) is None
    assert first_error_f1([-1, -1], [-1, -1]) is None
    assert first_error_f1([0], [0]) is None


def test_nothing_measured_is_none_everywhere():
    quality = verifier_quality([], [])
    assert quality.n == 0
    assert quality.base_rate is quality.auc is quality.accuracy is quality.ece is quality.first_bad_step_f1 is None


def test_accuracy_precision_and_recall_by_hand():
    scores, targets = [0.9, 0.5, 0.4, 0.8], [1, 0, 1, 1]
    assert accuracy(scores, targets) == pytest.approx(0.5)
    assert precision_recall(scores, targets) == pytest.approx((2 / 3, 2 / 3))
    assert precision_recall([0.1, 0.2], [1, 0]) == (None, 0.0)
    assert precision_recall([0.9], [0]) == (0.0, None)


def test_calibration_error_by_hand():
    assert expected_calibration_error([0.2, 0.2, 0.8, 0.8], [0, 0, 1, 1], bins=2) == pytest.approx(0.2)
    assert expected_calibration_error([0.5] * 4, [1, 0, 1, 0], bins=2) == 0.0


def test_calibration_error_does_not_depend_on_the_order_of_ties():
    assert expected_calibration_error([0.5] * 4, [1, 1, 0, 0], bins=2) == 0.0
    assert expected_calibration_error([0.5] * 4, [0, 0, 1, 1], bins=4) == 0.0


def test_the_first_error_is_the_first_step_below_one_half():
    assert first_error([0.9, 0.4, 0.1]) == 1
    assert first_error([0.9, 0.5]) == -1
    assert first_error([]) == -1


def test_first_error_f1_as_in_processbench():
    actual = [-1, -1, 0, 2]
    assert first_error_f1([-1] * 4, actual) == 0.0
    assert first_error_f1([0] * 4, actual) == 0.0
    assert first_error_f1(actual, actual) == 1.0
    # Half of the flawed and all of the flawless: 2 * 0.5 * 1 / 1.5.
    assert first_error_f1([-1, -1, 0, 1], actual) == pytest.approx(2 / 3)


def test_a_verifier_that_says_the_targets_is_perfect():
    targets = [[1.0, 0.75, 0.25], [1.0, 1.0], [0.0]]
    quality = verifier_quality(targets, targets)
    assert (quality.auc, quality.accuracy, quality.first_bad_step_f1, quality.ece) == (1.0, 1.0, 1.0, 0.0)
    assert quality.n == 6
    assert quality.base_rate == pytest.approx(4 / 6)


def test_mismatched_lengths_and_broken_scores_are_refused():
    with pytest.raises(PonderError, match="differ"):
        verifier_quality([[0.5]], [[0.5, 0.5]])
    with pytest.raises(PonderError, match="not finite"):
        auc([float("nan")], [1.0])
