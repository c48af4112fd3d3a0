"""How a run was made, and what went wrong on the way."""

from __future__ import annotations

from ponder.printable import printable
from ponder.reports import formatting as say
from ponder.reports.run.summary_reader import Summary, at, number, numbers, rows, text


def made(summary: Summary) -> list[tuple[str, str]]:
    """Name and value of everything needed to repeat the run or to judge its cost."""
    started = text(summary, "started")
    cores, cpu = number(summary, "machine", "cores"), text(summary, "machine", "cpu")
    device = text(summary, "machine", "device")
    machine = [
        cpu,
        f"{say.count(cores)} cores" if cores is not None else None,
        f"computed on {device}" if device else None,
    ]
    seed = number(summary, "seed")
    return [
        ("Command", text(summary, "command") or "not recorded"),
        ("Seed", "not recorded" if seed is None else f"{seed:.0f}"),
        ("Started", started.replace("T", " ") if started else "not recorded"),
        ("Model", _model(summary)),
        ("Ponder", text(summary, "ponder_version") or "version not recorded"),
        ("Revision", text(summary, "revision") or "not recorded"),
        ("Machine", ", ".join(part for part in machine if part) or "not recorded"),
        ("Peak memory", say.memory(number(summary, "peak_memory_bytes"))),
        *[(f"Time, {part}", say.duration(number(summary, "seconds", part))) for part in _TIMES],
        *[
            (f"Token-equivalents, {part}", say.count(number(summary, "token_equivalents", part)))
            for part in ("training", "control", "evaluation")
        ],
        *[(f"FLOPs, {part}", say.power(number(summary, "flops", part))) for part in ("training", "control")],
    ]


_TIMES = ("total", "train", "control", "evaluation")


def _model(summary: Summary) -> str:
    name, size = text(summary, "model", "name"), number(summary, "model", "parameters")
    return (
        f"{name or 'name not recorded'}, {say.count(size)} parameters" if size is not None else name or "not recorded"
    )


def versions(summary: Summary) -> list[tuple[str, str]]:
    """Library versions by name."""
    found = summary.get("versions")
    pairs = found.items() if isinstance(found, dict) else []
    return sorted((say.human(str(name)), printable(value)) for name, value in pairs if isinstance(value, str))


def troubles(summary: Summary) -> list[str]:
    """Skipped updates, failed judgements and groups that taught nothing, each in a sentence."""
    rounds = rows(summary, "rounds")
    if not rounds:
        return ["What happened in the rounds was not recorded."]
    return [_skipped(summary), _failures(summary), _dead(summary)]


def _skipped(summary: Summary) -> str:
    skipped = [x for row in rows(summary, "rounds") if (x := number(row, "skipped")) is not None]
    updates = [x for row in rows(summary, "rounds") if (x := number(row, "updates")) is not None]
    if not skipped or not updates:
        return f"Skipped updates: {say.NOT_MEASURED}."
    reasons = [at(row, "skip_reasons") for row in rows(summary, "rounds")]
    named = {say.human(why) for some in reasons if isinstance(some, list) for why in some if isinstance(why, str)}
    because = f" ({say.joined(sorted(named))})" if named else ""
    return f"Skipped updates: {say.count(sum(skipped))}{because}, against {say.count(sum(updates))} that were made."


def _failures(summary: Summary) -> str:
    recorded = [row for row in rows(summary, "rounds") if isinstance(row.get("failures"), dict)]
    if not recorded:
        return f"Responses that could not be judged: {say.NOT_MEASURED}."
    totals: dict[str, float] = {}
    for row in recorded:
        for name, n in numbers(row, "failures").items():
            totals[name] = totals.get(name, 0.0) + n
    named = [f"{say.count(n)} {say.human(name)}" for name, n in sorted(totals.items()) if n]
    return f"Responses that could not be judged (never counted as wrong): {say.joined(named) or 'none'}."


def _dead(summary: Summary) -> str:
    shares = [x for row in rows(summary, "rounds") if (x := number(row, "dead_groups")) is not None]
    if not shares:
        return f"Groups all right or all wrong: {say.NOT_MEASURED}."
    mean = sum(shares) / len(shares)
    return f"Groups all right or all wrong, which teach nothing: {say.percent(mean, 0)} on average over rounds."
