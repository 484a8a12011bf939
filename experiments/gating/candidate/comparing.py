"""Asking a champion and a candidate the same rows, and holding the answers against bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.gating.candidate.bounds import SPLIT, check_candidate
from adapter_workbench.experiments.gating.candidate.judged_rows import judged_rows
from adapter_workbench.experiments.gating.candidate.report import report_on
from adapter_workbench.experiments.gating.gate import Gate

if TYPE_CHECKING:
    from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
    from adapter_workbench.experiments.gating.candidate.report import CandidateReport
    from adapter_workbench.experiments.gating.candidate.versions import VersionPair
    from adapter_workbench.experiments.workspace.evaluations import Evaluations
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter


def compare_candidate(
    champion: StoredAdapter,
    candidate: StoredAdapter,
    versions: VersionPair,
    bounds: CandidateBounds,
    known: Evaluations | None = None,
) -> CandidateReport:
    """Return the report on test rows, with the bounds that were asked, which are held against validation rows.

    Args:
        champion: the adapter that answers now.
        candidate: that might answer instead.
        versions: of the task, that they were trained on.
        bounds: on the candidate.
        known: answers that were given before, and where these are kept.

    Raises:
        InputError: a bound that cannot be measured, or a backbone that is not where it was.
        AnswerError: an answer is not a number.
    """
    bounds.require_measurable(versions)
    asked = judged_rows(champion, candidate, versions, ("test", SPLIT) if bounds.asked else ("test",), known)
    report = report_on(champion, candidate, versions, asked["test"])
    if not bounds.asked:
        return report
    return report.with_gate(Gate("adapter", candidate.id, tuple(check_candidate(asked[SPLIT], bounds))))
