"""What `ponder verifier train` prints."""

from __future__ import annotations

from typing import Any


def shown(report: dict[str, Any]) -> str:
    """The report in a few lines for people; a dash is not measured."""
    auc, ece, steps, f1 = (_number(report[name]) for name in ("outcome_auc", "outcome_ece", "step_auc", "step_f1"))
    return (
        f"{report['kind']} verifier from {report['trained_on']} trajectories in {report['seconds']:.0f} s "
        f"({report['steps']} steps, {report['skipped']} skipped)\n"
        f"On {report['held_out']} held-out trajectories: outcomes AUC {auc}, calibration error {ece}; "
        f"steps AUC {steps}, first-error F1 {f1}\n"
        f"Written: {report['out']}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
