"""What a kind of experiment has to be, so that the engine can run it: a study, cut into pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from experiments.workspace import find_workspace

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from experiments.engine.piece import Piece
    from experiments.engine.recipes import NamedRecipe
    from experiments.reporting.differences import Difference
    from experiments.reporting.presentation import Presentation
    from experiments.reporting.scored import Scores
    from experiments.workspace import RecordDocument, Workspace
    from workbench.backbone.pretrained import Backbone
    from workbench.settings.base import Document


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
        progress: how many results are there, and how many there will be.
        seeds: what it was repeated with.
        verdict: what came out, in sentences.
        declared: by label, what the recipe compares with its reference, in the main metric: one family of tests.
    """

    study: ClassVar[str]

    @property
    def complete(self) -> bool: ...  # noqa: D102 - above
    @property
    def progress(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def seeds(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def declared(self) -> Mapping[str, Difference]: ...  # noqa: D102
    @property
    def verdict(self) -> str: ...  # noqa: D102

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``report --json``."""

    def _repr_html_(self) -> str:
        """Return the page for a notebook, without its pictures."""


def nothing_changed(record: RecordDocument, coordinates: Mapping[str, Any]) -> None:
    """Return nothing: what is logged are means, once all that they are taken over is there."""


@dataclass(frozen=True)
class Study:
    """A kind of experiment: a card, and modules in the card's package that are imported when they are needed.

    Everything but a piece's work is pure: it trains nothing and writes nothing.

    Attributes:
        package: the package of those modules; the card stands in its ``__init__.py``.
        key: the key that only recipes of this study have.
        describe: returns one line about an experiment, for a list of them; no piece is read.
        changed: returns the part of a record that the piece with these coordinates changed, with the record's identity;
            None where nothing is logged before the end. Its report has to give what MLflow holds of that part in the
            end.
        rooms: module → package inside ``package``, for modules that do not lie in ``package`` itself.
        reads_workspace: whether its recipes name what a workspace holds; ``make_plan`` is given the workspace then.
    """

    package: str
    key: str
    describe: Callable[[RecordDocument], str]
    changed: Callable[[RecordDocument, Mapping[str, Any]], RecordDocument | None] = nothing_changed
    rooms: Mapping[str, str] = field(default_factory=dict)
    reads_workspace: bool = False

    @property
    def recipe(self) -> type[NamedRecipe]:
        """The model of its recipes: ``Recipe`` in ``recipe.py``."""
        model: type[NamedRecipe] = self._module("recipe").Recipe
        return model

    def plan(self, document: Document, task_folders: Sequence[Path] = (), workspace: Workspace | None = None) -> Plan:
        """Return a recipe with its names resolved and its data read, by ``make_plan`` in ``plan.py``.

        Args:
            document: the recipe.
            task_folders: of the person's own tasks.
            workspace: that the recipe speaks of; by default the one that commands take.

        Raises:
            SettingsError: all that is wrong with the recipe, in one message.
        """
        read = (workspace or find_workspace(None),) if self.reads_workspace else ()
        plan: Plan = self._module("plan").make_plan(document, task_folders, *read)
        return plan

    def about(self, plan: Plan) -> Mapping[str, Any]:
        """Return what is the same for all pieces, for the record, by ``about`` in ``plan.py``."""
        about: Mapping[str, Any] = self._module("plan").about(plan)
        return about

    def pieces(self, plan: Plan) -> Sequence[Piece]:
        """Return all the work there is, by ``pieces`` in ``pieces.py``; what a piece needs stands before it."""
        return [*self._module("pieces").pieces(plan)]

    def report(self, experiment: str, record: RecordDocument, workspace: Workspace, brief: bool = False) -> Report:
        """Return the report on what the pieces of ``record`` have left so far, by ``report`` in ``summary.py``.

        No model is needed for it. ``brief``: without what compares one row with another, which takes long and is not
        logged while a run goes on.
        """
        report: Report = self._module("summary").report(experiment, record, workspace, brief)
        return report

    def scored(self, experiment: str, record: RecordDocument, workspace: Workspace) -> Scores:
        """Return what the pieces have left as scores that can be held against another experiment's.

        By ``scored`` in ``scored.py``: label → main metric → scores, replication by replication.
        """
        scores: Scores = self._module("scored").scored(experiment, record, workspace)
        return scores

    def present(self, report: Report) -> Presentation:
        """Return what people see of a report, in whatever medium, by ``present`` in ``present.py``."""
        presentation: Presentation = self._module("present").present(report)
        return presentation

    def module(self, name: str) -> str:
        """Return the full name of one of the study's modules, by its name alone."""
        room = self.rooms.get(name)
        return f"{self.package}.{room}.{name}" if room else f"{self.package}.{name}"

    def _module(self, name: str) -> ModuleType:
        return import_module(self.module(name))
