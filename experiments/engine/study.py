"""What a kind of experiment has to be, so that the engine can run it: a study, cut into pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.reporting.presentation import Presentation
    from experiments.workspace import RecordDocument, Workspace
    from workbench.backbone import Backbone
    from workbench.listener import Listener
    from workbench.settings import Document


@dataclass(frozen=True)
class Forecast:
    """What a piece's training will take; None where the architecture is not known, or nothing is trained.

    Attributes:
        memory_mb: peak of a plain training step, in MB.
        trainable_parameters: of the body, heads not counted.
    """

    memory_mb: float | None = None
    trainable_parameters: int | None = None


@dataclass
class Site:
    """Where a piece is worked on.

    Attributes:
        workspace: takes what the piece leaves, and has what earlier pieces left.
        listener: hears how it goes.
        kept: what the piece before left in memory for the next one, under a key of its own; one thing at most.
    """

    workspace: Workspace
    listener: Listener
    kept: dict[str, Any] = field(default_factory=dict)


class Piece(Protocol):
    """The smallest work that is claimed: frozen, and possible to pickle.

    Attributes:
        key: SHA-256 of everything that determines what it leaves; done is done under this key, in any experiment.
        needs: keys of the pieces that have to be done before.
        place: where it stands in its experiment (label, seed, …), for the record: values that JSON has.
        label: what to call it on a screen.
        updates: optimiser steps that it takes at most; None where nobody knows before.
        forecast: what its training will take.
        pace: equal for pieces whose optimiser steps take equally long on one machine.
        alone: whether it measures time, so that nothing else may run beside it.
    """

    @property
    def key(self) -> str: ...  # noqa: D102 - above
    @property
    def needs(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def place(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def updates(self) -> int | None: ...  # noqa: D102
    @property
    def forecast(self) -> Forecast: ...  # noqa: D102
    @property
    def pace(self) -> str: ...  # noqa: D102
    @property
    def alone(self) -> bool: ...  # noqa: D102

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether all that it leaves is there; raises IntegrityError where that is damaged, unless mending."""

    def work(self, site: Site) -> None:
        """Do it, and leave in the workspace whatever a report needs of it."""


class Plan(Protocol):
    """A recipe with its names resolved and its data read.

    Attributes:
        study: name of its study, in :data:`experiments.studies.STUDIES`.
        name: of the experiment.
        backbone: that everything is trained on.
    """

    study: ClassVar[str]

    @property
    def name(self) -> str: ...  # noqa: D102 - above
    @property
    def backbone(self) -> Backbone: ...  # noqa: D102


class Report(Protocol):
    """What is said about an experiment as far as it has come.

    Attributes:
        study: name of its study, in :data:`experiments.studies.STUDIES`.
        complete: whether everything that was planned is there.
        verdict: what came out, in sentences.
    """

    study: ClassVar[str]

    @property
    def complete(self) -> bool: ...  # noqa: D102 - above
    @property
    def verdict(self) -> str: ...  # noqa: D102

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``report --json``."""

    def _repr_html_(self) -> str:
        """Return the page for a notebook, without its pictures."""


class Study(Protocol):
    """A kind of experiment. Everything but a piece's work is pure: it trains nothing and writes nothing.

    Attributes:
        key: the key that only recipes of this study have.
    """

    key: str

    def plan(self, document: Document, task_folders: Sequence[Path]) -> Plan:
        """Return a recipe with its names resolved and its data read."""

    def about(self, plan: Any) -> Mapping[str, Any]:
        """Return what is the same for all pieces, for the record; the same plan gives the same."""

    def pieces(self, plan: Any) -> Sequence[Piece]:
        """Return all the work there is; what a piece needs stands before it."""

    def describe(self, record: RecordDocument) -> str:
        """Return one line about an experiment, for a list of them; no piece is read."""

    def changed(self, record: RecordDocument, place: Mapping[str, Any]) -> RecordDocument | None:
        """Return the part of a record that the piece at ``place`` changed; None where nothing is logged before the end.

        It keeps the record's identity. Its report has to give what MLflow holds of that part in the end.
        """

    def report(self, experiment: str, record: RecordDocument, workspace: Workspace, brief: bool = False) -> Report:
        """Return the report on what the pieces of ``record`` have left so far; needs no model.

        ``brief``: without what compares one row with another, which takes long and is not logged while a run goes on.
        """

    def present(self, report: Any) -> Presentation:
        """Return what people see of a report, in whatever medium."""
