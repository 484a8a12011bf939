"""What the reports of all studies have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from experiments.studies._record import Record


class StudyReport:
    """A report: data, of which :func:`experiments.studies.present` makes what people see.

    Attributes:
        study: the name of its study.
        record: what it is made of.
    """

    study: ClassVar[str]
    record: Record

    @property
    def complete(self) -> bool:
        """Whether everything that was planned is there."""
        return self.record.complete

    def _repr_html_(self) -> str:
        """Return the page for a notebook, without its pictures."""
        from experiments.reporting.notebook import framed
        from experiments.studies import present

        return framed(present(self))
