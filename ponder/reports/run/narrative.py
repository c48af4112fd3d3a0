"""What a run showed, in plain sentences. A difference whose interval holds zero is never called a gain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ponder.reports import formatting as say
from ponder.reports.run.summary_reader import Estimate, Summary, at, estimate, number, rows, text


def main_row(summary: Summary) -> Mapping[str, Any] | None:
    """The accuracy row that the headline is about: the mean over families, or else the first measured one."""
    measured = [row for row in rows(summary, "accuracy") if estimate(row, "final")]
    means = [row for row in measured if text(row, "family") == "mean"]
    return next(iter(means or measured), None)


def families(summary: Summary) -> list[str]:
    """The families with an accuracy row, in the summary's order."""
    names = [text(row, "family") for row in rows(summary, "accuracy")]
    return [name for name in names if name and name != "mean"]


def headline(summary: Summary) -> str:
    """One sentence: who went from where to where, with the interval of the gain."""
    row = main_row(summary)
    if row is None:
        return "The accuracy of this run was not measured."
    base, final, gain = estimate(row, "base"), estimate(row, "final"), estimate(row, "gain")
    size = say.parameters(number(summary, "model", "parameters"))
    model = f"{_article(size)} {size}-parameter model" if size else "The model"
    if base is None:
        return f"{model} solves {_with_interval(final)} of the test problems; its start was not measured."
    moved = f"{model} went from {say.percent(base.y, 0)} to {say.percent(final.y if final else None, 0)}"
    if gain is None:
        return (
            f"{moved} of the test problems solved (95{say.SPACE}% interval at the end {say.percent_range(final, 0)})."
        )
    word = "gain" if _above(gain) and gain.y > 0 else "change"
    ending = "" if _above(gain) else ", which does not stand out from chance"
    change = f"a {word} of {say.points(gain.y, 0)} points (95{say.SPACE}% interval {say.points_range(gain, 0)})"
    sampled = "" if number(row, "temperature") != 1 or _way(summary, "best") is None else " at temperature 1"
    return f"{moved} of the test problems solved{sampled}: {change}{ending}."


def breath(summary: Summary) -> str:
    """What stands right below the headline: the gains with greedy answers and at each model's best temperature.

    Some of the gain at temperature 1 is decoding alone. Empty where neither was measured.
    """
    greedy, best = _way(summary, "greedy"), _way(summary, "best")
    parts = []
    if greedy is not None:
        parts.append(f"with greedy answers {_change(greedy)}")
    if best is not None:
        parts.append(f"with each model at its best temperature {_change(best)}")
    told = ", ".join(parts)
    return f"{told[0].upper()}{told[1:]}." if told else ""


def _change(row: Mapping[str, Any]) -> str:
    base, final, gain = (estimate(row, name) for name in ("base", "final", "gain"))
    assert base is not None and final is not None and gain is not None  # `_way` saw to it
    return (
        f"{say.percent(base.y, 0)} to {say.percent(final.y, 0)} ({say.points(gain.y, 0)}, {say.points_range(gain, 0)})"
    )


def _way(summary: Summary, name: str) -> Mapping[str, Any] | None:
    """The measurements with one way of drawing an answer; None if any of the three numbers is missing."""
    found = [row for row in rows(summary, "decoding") if text(row, "way") == name]
    return next((r for r in found if all(estimate(r, key) for key in ("base", "final", "gain"))), None)


def decoding(summary: Summary) -> str:
    """How the best temperatures were chosen."""
    best = _way(summary, "best")
    temperatures = [number(best, "temperatures", who) for who in ("base", "final")]
    if best is None or None in temperatures:
        return "Other ways of drawing an answer were not measured."
    base, final = (say.plain(t, 1) for t in temperatures)
    return (
        f"The best temperature was chosen for each model on validation problems (base {base}, final {final}; 0 is "
        "greedy) and is shown on test problems. What the base gains by it needs no training."
    )


def conditions(summary: Summary) -> str:
    """How the headline was measured."""
    row = main_row(summary)
    if row is None:
        return ""
    temperature, n = number(row, "temperature"), number(row, "n")
    what = "the mean over " + say.joined([say.human(name) for name in families(summary)])
    if text(row, "family") != "mean" or not families(summary):
        what = say.human(text(row, "family") or "one family")
    how = "greedy answers" if temperature == 0 else f"one answer sampled at temperature {say.plain(temperature, 1)}"
    how = "temperature not recorded" if temperature is None else how
    problems = "number of test problems not recorded" if n is None else f"{say.count(n)} test problems"
    return f"Measured on {what}: {how}, {problems}."


def control(summary: Summary) -> str:
    """What the same compute bought without self-play."""
    row = main_row(summary)
    found, gain = estimate(row, "control"), estimate(row, "control_gain")
    if found is None:
        return (
            "A control (more behaviour cloning for the same compute) was not measured, so how much of the change is "
            "owed to self-play is open."
        )
    change = f", a change of {_points_with_interval(gain)}" if gain else ""
    cloning = (
        f"The control, which spent the same compute on more behaviour cloning, reached {_with_interval(found)}{change}."
    )
    return f"{cloning} {_rejection(row)}".strip()


def _rejection(row: Mapping[str, Any] | None) -> str:
    """What imitating one's own right answers came to; empty where it was not measured."""
    found, gain, over = (estimate(row, name) for name in ("rejection", "rejection_gain", "over_rejection"))
    if found is None:
        return ""
    change = f", a change of {_points_with_interval(gain)}" if gain else ""
    beyond = ""
    if over is not None:
        verdict = "" if _above(over) else ", which does not stand out from chance"
        beyond = f" The final model differs from it by {_points_with_interval(over)}{verdict}."
    return (
        "The stronger control, which spent the same compute on imitating its own right answers (rejection sampling), "
        f"reached {_with_interval(found)}{change}.{beyond}"
    )


def unsolved(summary: Summary) -> str:
    """Whether training reached problems that the base had failed, with fresh tries of both models."""
    problems, tries, again = (number(summary, "unsolved", name) for name in ("problems", "tries", "again"))
    names = ("solved_by_base", "solved_by_final", "gain")
    before, after, gain = (estimate(summary, "unsolved", name) for name in names)
    if problems is None or tries is None or (problems > 0 and (before is None or after is None)):
        return "Whether the final model solves problems that the base failed was not measured with fresh tries of both."
    if before is None or after is None:
        return f"The base solved every test problem at least once in {say.count(tries)} tries."
    change = "" if gain is None else f", a difference of {_points_with_interval(gain)}"
    verdict = "" if gain is None or _above(gain) else ", which does not stand out from chance"
    return (
        f"The base solved none of {say.count(problems)} harder test problems in {say.count(tries)} tries each. In "
        f"{say.count(again)} fresh tries the base solves {_with_interval(before)} of them and the final model "
        f"{_with_interval(after)}{change}{verdict}."
    )


def coverage(summary: Summary) -> str:
    """Whether the final model still solves more problems than the base when both have many tries."""
    last = next(reversed(rows(summary, "coverage")), None)
    k, base, final, gain = number(last, "k"), *(estimate(last, name) for name in ("base", "final", "gain"))
    if k is None or base is None or final is None or gain is None:
        return "How many problems each model solves with many tries was not measured."
    verdict = (
        "so training did not only make likely what the base could already do"
        if gain.low is not None and gain.low > 0
        else "so with many tries the base solves more: training made its own best answers likely and lost others"
        if gain.high is not None and gain.high < 0
        else "so with many tries the two do not differ beyond chance"
    )
    return (
        f"With {say.count(k)} tries a problem the base solves {_with_interval(base)} and the final model "
        f"{_with_interval(final)} of the same problems, a difference of {_points_with_interval(gain)}, {verdict}."
    )


def verifier_gain(summary: Summary) -> str:
    """What the learned verifier adds to the final model's search at equal cost."""
    return _gain(at(summary, "verifier_gain")) + _training_cost(summary, "verifier_gain")


def verifier_gain_before(summary: Summary) -> str:
    """What the learned verifier adds to the search of the base."""
    return _gain(at(summary, "verifier_gain_before")) + _training_cost(summary, "verifier_gain_before")


def _training_cost(summary: Summary, which: str) -> str:
    """What the equal cost leaves out, for base and final alike."""
    spent = number(summary, "verifier_training", "run")
    if spent is None or estimate(summary, which, "difference") is None:
        return ""
    return (
        f" Training the verifier is not in this cost: it came out of the whole run, {say.count(spent)} "
        "token-equivalents, which only many questions pay back."
    )


def _gain(found: Any) -> str:
    ours, theirs, difference = (estimate(found, key) for key in ("accuracy", "vote", "difference"))
    if ours is None or theirs is None:
        return "A verifier-guided strategy was not compared with majority vote."
    strategy, against = text(found, "strategy") or "the guided strategy", text(found, "against") or "vote"
    family = text(found, "family")
    where = "over all families" if family in (None, "all") else f"on {say.human(str(family))}"
    budget = number(found, "budget")
    cost = "at equal cost" if budget is None else f"at {say.count(budget)} token-equivalents a question"
    sentence = (
        f"{cost[0].upper()}{cost[1:]}, {where}, {say.human(strategy)} guided by the learned verifier solves "
        f"{_with_interval(ours)} against {_with_interval(theirs)} for {_named(against)}"
    )
    if difference is None:
        return f"{sentence}; the interval of the difference was not measured."
    verdict = "" if _above(difference) else ", which does not stand out from chance"
    return f"{sentence}: a difference of {_points_with_interval(difference)}{verdict}.{_chosen(found)}"


def _chosen(found: Any) -> str:
    """Where strategy and budget come from, if they were picked among several."""
    compared, problems = number(found, "compared"), number(found, "chosen_on")
    if compared is None or problems is None or compared < 2:
        return ""
    return (
        f" It is the best of {say.count(compared)} pairs of strategy and budget, chosen on {say.count(problems)} other "
        "problems."
    )


def _named(strategy: str) -> str:
    return "majority vote" if strategy == "vote" else say.human(strategy)


def fit(summary: Summary) -> str:
    """The train-time law and how well it foresaw the points it was not fitted to."""
    found = at(summary, "curves", "train_time", "fit")
    names = ("start", "asymptote", "midpoint", "exponent")
    start, asymptote, midpoint, exponent = (number(found, name) for name in names)
    if None in (start, asymptote, midpoint, exponent):
        reason = text(summary, "curves", "train_time", "no_fit")
        return f"No sigmoid was fitted: {reason}." if reason else "No sigmoid was fitted."
    error, tail = number(found, "tail_error"), number(found, "tail_points")
    law = (
        f"Fitted sigmoid: from {say.percent(start)} towards {say.percent(asymptote)}, half of the way at "
        f"{say.power(midpoint)} FLOPs, exponent {say.plain(exponent)}"
    )
    bound = (
        " The asymptote met a bound of the fit, so these points do not tell how high the curve goes."
        if at(found, "is_at_bound") is True
        else ""
    )
    if error is None or not tail:
        return f"{law}; its error on held-out points was not measured.{bound}"
    held = "the last point, which it was" if tail == 1 else f"the last {say.count(tail)} points, which it was"
    unchanged = number(found, "unchanged_error")
    beside = ""
    if unchanged is not None:
        better = "less than" if error < unchanged else "no better than"
        beside = f", {better} the {say.plain(100 * unchanged, 1)} points of assuming that nothing changes any more"
    return (
        f"{law}. Its mean absolute error on {held} not fitted to, is {say.plain(100 * error, 1)} points{beside}.{bound}"
    )


def _article(size: str | None) -> str:
    """The article before a size: an 8B-parameter model, a 0.6M-parameter model."""
    return "An" if size and size.startswith(("8", "11", "18")) else "A"


def _above(value: Estimate) -> bool:
    """Whether the whole interval lies on one side of zero."""
    return value.low is not None and value.high is not None and (value.low > 0 or value.high < 0)


def _with_interval(value: Estimate | None) -> str:
    return say.NOT_MEASURED if value is None else f"{say.percent(value.y)} ({say.percent_range(value)})"


def _points_with_interval(value: Estimate) -> str:
    return f"{say.points(value.y)} points ({say.points_range(value)})"
