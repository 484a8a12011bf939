"""The result of `workbench update`: the next version of a task's adapter, beside the champion before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter_workbench.experiments.gating.adding import AddedTask
    from adapter_workbench.experiments.gating.candidate.report import CandidateReport
    from adapter_workbench.experiments.updates.plan import UpdatePlan


@dataclass(frozen=True)
class UpdatedTask:
    """The result of `workbench update`."""

    plan: UpdatePlan  # the champion, both versions of the task, their labels, and the way
    added: AddedTask  # the new adapter, the bounds, its registration, and which adapter answers now
    # the new adapter beside the champion, with all bounds; None where the data broke a bound
    report: CandidateReport | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``workbench update --json``: that of ``add``, what was updated how, and the report."""
        return {
            **self.plan.as_json(),
            **self.added.as_json(),
            "report": self.report and self.report.as_json(),
        }
