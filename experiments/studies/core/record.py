"""What the records of all comparisons have in common, and how they are written down and read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ValidationError

from adapter_workbench.experiments.engine.recipes import MARGIN
from adapter_workbench.experiments.reporting.declared_test import DeclaredTest
from adapter_workbench.experiments.studies.core.data_sources import DataSource, data_sources
from adapter_workbench.experiments.workspace.documents import form_of
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.machine.device import Precision
from adapter_workbench.workbench.measures.declared_tests import Test
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.workbench.methods.task import Task


@dataclass(frozen=True, kw_only=True)
class Record(ABC):
    """A comparison as far as it has come; nothing in it needs a model to be read. A study's own record extends it."""

    kind: ClassVar[str]  # what it is a record of, in words
    # the fields that `results_from` gives; all others are known before training
    result_fields: ClassVar[tuple[str, ...]]

    experiment: str  # its name
    description: str
    backbone: str
    seeds: tuple[int, ...]
    reference: str  # label that differences are taken from
    data: Mapping[str, str] = field(default_factory=dict)  # task → SHA-256 of its data
    # task → where its data come from; empty in records of earlier versions
    data_sources: Mapping[str, DataSource] = field(default_factory=dict)
    precision: Precision | Literal[""] = ""  # that ``auto`` was resolved to; empty in records of earlier versions
    test: Test = "paired"  # what the spread of differences is taken from
    margin: float = MARGIN  # points; a difference that is smaller can be called equal
    # numbers of seeds at which verdicts are read, if seeds are added until it is decided; else empty
    verdicts_after: tuple[int, ...] = ()
    level: float = LEVEL  # at which verdicts are read: that of one look
    # what was read at looks so far, see `planned.settled`
    settled: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # label → its seeds, where seeds are added until it is decided: not all entries have equally many
    seeds_of: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    # identity, provenance: see `workspace.RecordDocument`
    identity: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    @abstractmethod
    def planned(self) -> int:
        """How many results there will be."""

    @property
    @abstractmethod
    def done(self) -> int:
        """How many of the planned results are there."""

    @property
    def complete(self) -> bool:
        """Whether all planned results are there."""
        return self.done == self.planned

    def planned_seeds(self, label: str) -> tuple[int, ...]:
        """Return the seeds of an entry."""
        return self.seeds_of.get(label, self.seeds)

    @property
    def looks_reached(self) -> tuple[int, ...]:
        """The looks of which everything is there: those before the one that the last seeds are for, and that one."""
        return tuple(
            look
            for look in self.verdicts_after
            if look < len(self.seeds) or (look == len(self.seeds) and self.complete)
        )

    def judged(self, sentence: str, results: str) -> str:
        """Return a verdict, after how many ``results`` are there if it is not the whole."""
        return (
            sentence
            if self.complete
            else f"Not finished: {self.done} of {self.planned} {results} are there. {sentence}"
        )

    @classmethod
    @abstractmethod
    def results_from(cls, document: RecordDocument, workspace: Workspace) -> dict[str, Any]:
        """Return the results of the pieces, by field."""

    @classmethod
    def read(cls, experiment: str, document: RecordDocument, workspace: Workspace) -> Self:
        """Return the record of an experiment.

        Raises:
            IntegrityError: something that it is made of is damaged or missing.
        """
        try:
            blank: Self = form_of(cls).validate_python(document.content(experiment))
            return replace(blank, seeds_of=_seeds_of(document), **cls.results_from(document, workspace))
        except (KeyError, TypeError, ValidationError) as error:
            message = f"damaged: this is not a record of {cls.kind} ({error})"
            raise IntegrityError(message, where=str(workspace.experiment(experiment))) from None

    def about(self) -> dict[str, Any]:
        """Return what is the same for all pieces, as JSON has it; the test and margin if a recipe says them."""
        others = {"experiment", "level", "settled", "seeds_of", "identity", "provenance", *self.result_fields}
        about: dict[str, Any] = form_of(type(self)).dump_python(self, mode="json", by_alias=True, exclude=others)
        return without_defaults(about)

    @property
    def declared_test(self) -> DeclaredTest:
        """How the differences from the reference are tested."""
        return DeclaredTest(self.test, self.margin / 100, self.level)


def _seeds_of(document: RecordDocument) -> dict[str, tuple[int, ...]]:
    """Return label → the seeds of its pieces; nothing where all entries have the same."""
    if not document.about.get("verdicts_after"):
        return {}
    by_label: dict[str, set[int]] = {}
    for piece in document.pieces:
        if "label" in piece.coordinates and "seed" in piece.coordinates:
            by_label.setdefault(piece.coordinates["label"], set()).add(piece.coordinates["seed"])
    return {label: tuple(seed for seed in document.about["seeds"] if seed in own) for label, own in by_label.items()}


def without_defaults(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what pieces share without what every recipe has unless it says another, like test, margin and ``against``.

    A record's identity is made of this: experiments of earlier versions are still the same ones.
    """
    defaults = {"test": "paired", "margin": MARGIN, "verdicts_after": [], "needs_examples": []}
    return {name: _plain(value) for name, value in about.items() if name not in defaults or value != defaults[name]}


def _plain(value: Any) -> Any:
    """Return a fact; of a list of entries each without an ``against`` that is empty."""
    return [_entry(part) for part in value] if isinstance(value, list | tuple) else value


def _entry(part: Any) -> Any:
    if not isinstance(part, dict) or part.get("against") != "":
        return part
    return {name: value for name, value in part.items() if name != "against"}


def shared_facts(tasks: Sequence[Task], precision: Precision, /, **own: Any) -> dict[str, Any]:
    """Return what is the same for all pieces of a plan, as JSON has it.

    Args:
        tasks: that are learned, or composed for.
        precision: of all arithmetic.
        own: the study's own facts, by their keys in record.json; settings and dataclasses become objects.
    """
    facts = {
        **own,
        "data": {task.name: task.fingerprint for task in tasks},
        "data_sources": data_sources(tasks),
        "precision": precision,
    }
    written: dict[str, Any] = form_of(dict[str, Any]).dump_python(facts, mode="json")
    return without_defaults(written)
