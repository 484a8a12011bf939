"""Scores of single labels, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.wording import DASH

if TYPE_CHECKING:
    from adapter_workbench.workbench.measures.label_counts import LabelScore


def in_words(score: LabelScore) -> str:
    """Return ``spam: F1 31.2 % (precision 50.0 %, recall 22.7 %, 22 there)``; a dash for what is not known."""
    shares = f"precision {percent(score.precision)}, recall {percent(score.recall)}"
    return f"{score.label}: F1 {percent(score.f1)} ({shares}, {score.count:,} there)"


def percent(share: float | None) -> str:
    """Return a share in [0, 1] with its sign: ``31.2 %``; a dash for None."""
    return DASH if share is None else f"{100 * share:.1f} %"
