"""What the reports of all studies have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from adapter_workbench.experiments.reporting.advice import Standing
from adapter_workbench.experiments.reporting.collapses import collapsed, collapses_in_words
from adapter_workbench.experiments.reporting.equality import inequalities
from adapter_workbench.experiments.reporting.plain_verdicts import small_prints
from adapter_workbench.experiments.reporting.presentation import Presentation
from adapter_workbench.experiments.studies.core.checklist import checklist
from adapter_workbench.experiments.studies.core.planned import settled, up_to
from adapter_workbench.workbench.measures.looks import levels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Self

    from adapter_workbench.experiments.engine.study import Report
    from adapter_workbench.experiments.reporting.collapses import SeedScores
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.equality import Inequality
    from adapter_workbench.experiments.reporting.plain_verdicts import ComparisonInWords
    from adapter_workbench.experiments.reporting.presentation import Block, Tracking
    from adapter_workbench.experiments.studies.core.facts import Document, Facts
    from adapter_workbench.experiments.studies.core.planned import Families
    from adapter_workbench.experiments.studies.core.record import Record
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

RecordT = TypeVar("RecordT", bound="Record")
ReportT = TypeVar("ReportT", bound="StudyReport")

LONG = 15  # tasks: a matrix of more has cells that are smaller than their numbers


def reported(record: type[RecordT], summarise: Callable[[RecordT, Workspace, bool], ReportT]) -> Callable[..., ReportT]:
    """Return the function ``report`` of a study: its record is read, and summarised.

    ``summarise`` takes the record, the workspace that it is of, and whether to leave out what compares two entries.
    """

    def report(experiment: str, document: RecordDocument, workspace: Workspace, brief: bool = False) -> ReportT:
        whole = record.read(experiment, document, workspace)
        if brief or not whole.verdicts_after:
            return summarise(whole, workspace, brief)
        planned, by_look, main = levels(whole.verdicts_after), {}, ""
        for look in whole.looks_reached:
            whole_by_then = look == len(document.about["seeds"])
            then = whole if whole_by_then else record.read(experiment, up_to(document, look), workspace)
            so_far = summarise(replace(then, level=planned[look]), workspace, brief)
            by_look[look], main = so_far.families, so_far.main
        ahead = next((look for look in whole.verdicts_after if look not in by_look), whole.verdicts_after[-1])
        return summarise(replace(whole, level=planned[ahead], settled=settled(by_look, main)), workspace, brief)

    return report


class StudyReport(ABC):
    """A report: data, of which :func:`adapter_workbench.experiments.studies.present` makes what people see.

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
    def main(self) -> str:
        """The name of the metric that decides, among :attr:`families`."""
        return ""

    @property
    def families(self) -> Families:
        """Metric → label → what the recipe compares."""
        return {self.main: self.declared}

    @property
    @abstractmethod
    def declared(self) -> dict[str, Difference]:
        """By label, what the recipe compares, in the main metric."""

    @property
    def controls(self) -> Mapping[str, str]:
        """Label → what it is compared with."""
        return dict.fromkeys(self.declared, self.record.reference)

    def needed_for(self, labels: Iterable[str]) -> set[str]:
        """Return the recipe's entries that these comparisons need."""
        compared = {*labels}
        return compared | {self.controls[label] for label in compared}

    @property
    @abstractmethod
    def circumstances(self) -> Mapping[str, Mapping[str, Any]]:
        """By label, the circumstances of each score."""

    @property
    def planned(self) -> Sequence[ComparisonInWords]:
        """What the recipe compares, in the order in which it is read, with a sentence on each."""
        return ()

    @property
    def standing(self) -> Standing:
        """How the entries stand to each other, by all that the recipe compares."""
        return Standing.after(self.planned)

    @property
    def evidence(self) -> Sequence[str]:
        """The small print below the verdict: by which tests, and with which numbers."""
        return small_prints(self.planned)

    @property
    def seed_scores(self) -> SeedScores:
        """Label → the score of each replication in the main metric, and its seed; empty where a study has none."""
        return {}

    @property
    def unequal(self) -> tuple[Inequality, ...]:
        """In what the compared were not like what they are compared with, besides what is compared."""
        return inequalities(self.circumstances, self.record.reference, self.controls)

    def head(self, *names: str) -> dict[str, Any]:
        """Return what the document of ``report --json`` begins with; ``names`` are the study's own parts of it."""
        record, about, low = self.record, self.record.about(), collapsed(self.seed_scores)
        shared = ("description", "backbone", "seeds", "reference", "precision", "data_sources")
        return {
            "experiment": record.experiment,
            **{name: about[name] for name in (*shared, *names)},
            "test": record.test,
            "margin": record.margin,
            **({"looks": list(record.verdicts_after)} if record.verdicts_after else {}),
            "complete": self.complete,
            "provenance": dict(record.provenance),
            **({"collapsed": {label: [*seeds] for label, seeds in low.items()}} if low else {}),
            "verdict": self.verdict,
            "verdicts": [comparison.as_json() for comparison in self.planned],
            "not_equal": [inequality.as_json() for inequality in self.unequal],
        }

    def checked(self, document: dict[str, Any], facts: Callable[[Document], Facts | None]) -> dict[str, Any]:
        """Return a document with the answers to the referee's checklist; ``facts`` reads what they go by."""
        read = facts(document)
        return {**document, "checklist": [answer.as_json() for answer in checklist(document, read)] if read else []}

    @abstractmethod
    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds what each seed gave."""

    def presented(
        self,
        title: str,
        facts: Sequence[str],
        blocks: Callable[[Self], Iterable[Block]],
        tracking: Callable[[Self], Tracking],
        note: str,
        further: Sequence[str] = (),
        **others: Any,
    ) -> Presentation:
        """Return what people see of it: what all studies present alike, and the parts of its own.

        Args:
            title: what kind of report it is.
            facts: what was measured, in a few words each; the backbone is added.
            blocks: returns what is read below the verdict, in order.
            tracking: returns what MLflow holds of it.
            note: Markdown that describes the experiment in MLflow.
            further: facts for which a terminal has no room; when it was started is added.
            others: attributes of the presentation that a study sets otherwise.
        """
        record = self.record
        alike: dict[str, Any] = {
            "experiment": record.experiment,
            "tracked": record.experiment,
            "title": title,
            "facts": (*facts, f"backbone {record.backbone}"),
            "further": (*further, record.provenance.get("started", "")),
            "says": record.description,
            "verdict": self.verdict,
            "evidence": (*collapses_in_words(self.seed_scores), *self.evidence),
            "complete": self.complete,
            "written": partial(blocks, self),
            "document": self.as_json,
            "about": note,
            "tracking": partial(tracking, self),
        }
        return Presentation(**{**alike, **others})

    def _repr_html_(self: Report) -> str:
        """Return the page for a notebook, without its pictures."""
        from adapter_workbench.experiments.reporting.notebook import framed
        from adapter_workbench.experiments.studies import present

        return framed(present(self))
