"""What the reports of all studies have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from experiments.reporting.equality import inequalities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from experiments.engine.study import Report
    from experiments.reporting.equality import Inequality
    from experiments.studies.core.record import Record
    from experiments.workspace import RecordDocument, Workspace

RecordT = TypeVar("RecordT", bound="Record")
ReportT = TypeVar("ReportT", bound="StudyReport")

LONG = 15  # tasks: a matrix of more has cells that are smaller than their numbers


def reported(record: type[RecordT], summarise: Callable[[RecordT, Workspace, bool], ReportT]) -> Callable[..., ReportT]:
    """Return the function ``report`` of a study: its record is read, and summarised.

    ``summarise`` takes the record, the workspace that it is of, and whether to leave out what compares two entries.
    """

    def report(experiment: str, document: RecordDocument, workspace: Workspace, brief: bool = False) -> ReportT:
        return summarise(record.read(experiment, document, workspace), workspace, brief)

    return report


class StudyReport(ABC):
    """A report: data, of which :func:`experiments.studies.present` makes what people see.

    Attributes:
        study: the name of its study.
        record: what it is made of.
        verdict: what came out, in sentences.
    """

    study: ClassVar[str]
    record: Record
    verdict: str

    @property
    def complete(self) -> bool:
        """Whether everything that was planned is there."""
        return self.record.complete

    @property
    def progress(self) -> tuple[int, int]:
        """How many results are there, and how many there will be."""
        return self.record.done, self.record.planned

    @property
    def seeds(self) -> tuple[int, ...]:
        """What it was repeated with."""
        return self.record.seeds

    @property
    @abstractmethod
    def circumstances(self) -> Mapping[str, Mapping[str, Any]]:
        """By label, under which circumstances each of the compared came to its score."""

    @property
    def unequal(self) -> tuple[Inequality, ...]:
        """In what the compared were not like the reference, besides what is compared."""
        return inequalities(self.circumstances, self.record.reference)

    def head(self, *names: str) -> dict[str, Any]:
        """Return what the document of ``report --json`` begins with; ``names`` are the study's own parts of it."""
        record, about = self.record, self.record.about()
        shared = ("description", "backbone", "seeds", "reference", "precision", "data_sources")
        return {
            "experiment": record.experiment,
            **{name: about[name] for name in (*shared, *names)},
            "complete": self.complete,
            "provenance": dict(record.provenance),
            "verdict": self.verdict,
            "not_equal": [inequality.as_json() for inequality in self.unequal],
        }

    @abstractmethod
    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds what each seed gave."""

    def _repr_html_(self: Report) -> str:
        """Return the page for a notebook, without its pictures."""
        from experiments.reporting.notebook import framed
        from experiments.studies import present

        return framed(present(self))
