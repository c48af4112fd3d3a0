from typing import Any

from ponder.reports.run import narrative as sentences
from tests.reports import synthetic


def said(name: str, data: dict[str, Any]) -> str:
    return str(getattr(sentences, name)(data)).replace("\u00a0", " ")


def test_the_headline_is_one_sentence_with_the_interval_of_the_gain():
    assert said("headline", synthetic.summary()) == (
        "A 0.61M-parameter model went from 32 % to 77 % of the test problems solved at temperature 1: a gain of +45 "
        "points (95 % interval +42 to +48)."
    )
    assert said("breath", synthetic.summary()) == (
        "With greedy answers 41 % to 76 % (+35, +32 to +38), with each model at its best temperature 44 % to 78 % "
        "(+34, +31 to +38)."
    )


def test_a_gain_whose_interval_holds_zero_is_no_gain():
    data = synthetic.summary()
    data["accuracy"][-1]["gain"] = {"y": 0.02, "low": -0.01, "high": 0.05}
    assert "a change of +2 points" in said("headline", data)
    assert "does not stand out from chance" in said("headline", data)
    assert "gain" not in said("headline", data)


def test_where_other_ways_of_drawing_were_not_measured_the_headline_is_of_one():
    data = synthetic.summary() | {"decoding": []}
    assert said("headline", data).endswith(
        "of the test problems solved: a gain of +45 points (95 % interval +42 to +48)."
    )
    assert said("breath", data) == ""
    assert said("decoding", data) == "Other ways of drawing an answer were not measured."
    assert "(base 0.3, final 0.8; 0 is greedy)" in said("decoding", synthetic.summary())


def test_both_controls_are_told_and_what_the_final_model_has_beyond_the_stronger_one():
    told = said("control", synthetic.summary())
    assert told.startswith("The control, which spent the same compute on more behaviour cloning, reached 38.0 %")
    assert "imitating its own right answers (rejection sampling), reached 70.3 % (67.6 to 73.0 %)" in told
    assert told.endswith("The final model differs from it by +7.1 points (+4.7 to +9.5).")
    data = synthetic.summary()
    data["accuracy"][-1]["over_rejection"] = {"y": 0.01, "low": -0.02, "high": 0.04}
    assert said("control", data).endswith("(−2.0 to +4.0), which does not stand out from chance.")


def test_a_loss_is_not_called_a_gain():
    data = synthetic.summary()
    data["accuracy"][-1]["gain"] = {"y": -0.08, "low": -0.12, "high": -0.04}
    assert "a change of −8 points (95 % interval −12 to −4)." in said("headline", data)


def test_without_a_mean_the_headline_names_the_family_that_it_is_about():
    data = synthetic.summary()
    data["accuracy"] = [row for row in data["accuracy"] if row["family"] == "cipher"]
    assert "from 29 % to 85 %" in said("headline", data)
    assert said("conditions", data).startswith("Measured on cipher: one answer sampled at temperature 1.0, 300 test")


def test_a_missing_control_is_said_to_leave_the_question_open():
    data = synthetic.summary()
    data["accuracy"][-1]["control"] = None
    assert "was not measured" in said("control", data)


def test_the_verifier_sentence_states_both_sides_and_the_difference():
    assert said("verifier_gain", synthetic.summary()) == (
        "At 1,024 token-equivalents a question, over all families, weighted vote guided by the learned verifier solves "
        "74.1 % (72.1 to 76.1 %) against 69.9 % (67.8 to 72.0 %) for majority vote: a difference of +4.2 points "
        "(+2.5 to +5.9). Training the verifier is not in this cost: it came out of the whole run, 31.4 million "
        "token-equivalents, which only many questions pay back."
    )


def test_a_verifier_that_does_not_beat_the_vote_is_not_praised():
    data = synthetic.summary()
    data["verifier_gain"]["difference"] = {"y": 0.01, "low": -0.02, "high": 0.04}
    assert "does not stand out from chance" in said("verifier_gain", data)


def test_a_verifier_gain_picked_among_many_says_so():
    data = synthetic.summary()
    data["verifier_gain"] |= {"compared": 12, "chosen_on": 450}
    assert "It is the best of 12 pairs of strategy and budget, chosen on 450 other problems." in said(
        "verifier_gain", data
    )


def test_problems_beyond_the_base_are_counted():
    assert said("unsolved", synthetic.summary()) == (
        "The base solved none of 87 harder test problems in 16 tries each. In 16 fresh tries the base solves 21.3 % "
        "(13.3 to 29.3 %) of them and the final model 37.9 % (27.9 to 47.9 %), a difference of +16.6 points (+7.6 to "
        "+25.6)."
    )


def test_no_problem_beyond_the_base_is_no_missing_measurement():
    data = {"unsolved": {"problems": 0, "tries": 16, "solved_by_final": None, "solved_by_base": None}}
    assert said("unsolved", data) == "The base solved every test problem at least once in 16 tries."


def test_the_fit_states_its_error_on_the_held_out_tail():
    assert said("fit", synthetic.summary()).endswith(
        "mean absolute error on the last 3 points, which it was not fitted to, is 1.2 points, less than the 3.1 points "
        "of assuming that nothing changes any more."
    )
    data = synthetic.summary()
    data["curves"]["train_time"]["fit"] |= {"tail_error": 0.04, "is_at_bound": True}
    assert "no better than the 3.1 points" in said("fit", data)
    assert said("fit", data).endswith("so these points do not tell how high the curve goes.")


def test_coverage_says_who_solves_more_with_many_tries():
    assert "With 64 tries a problem the base solves 77.0 %" in said("coverage", synthetic.summary())
    data = synthetic.summary()
    for gain, verdict in (((-0.1, -0.2, -0.05), "lost others"), ((0.0, -0.1, 0.1), "do not differ beyond chance")):
        data["coverage"][-1]["gain"] = dict(zip(("y", "low", "high"), gain, strict=True))
        assert verdict in said("coverage", data)


def test_what_the_verifier_cost_is_said_for_base_and_final_alike():
    for name in ("verifier_gain", "verifier_gain_before"):
        assert "came out of the whole run, 31.4 million token-equivalents" in said(name, synthetic.summary())


def test_an_empty_summary_says_not_measured_everywhere():
    for name in ("headline", "control", "unsolved", "verifier_gain"):
        assert "not" in said(name, synthetic.minimal())
    assert said("fit", {"curves": {"train_time": {"no_fit": "3 points"}}}) == "No sigmoid was fitted: 3 points."
    assert said("fit", synthetic.minimal()) == "No sigmoid was fitted."
