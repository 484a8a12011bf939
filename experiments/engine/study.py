"""What a kind of experiment has to be, so that the engine can run it: a study, cut into pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from adapter_workbench.experiments.workspace import find_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.recipes import NamedRecipe
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.presentation import Presentation
    from adapter_workbench.experiments.reporting.scored import Scores
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.settings.base import Document


class Plan(Protocol):
    """A recipe with its names resolved and its data read.

    Attributes:
        study: name of its study, in :data:`adapter_workbench.experiments.studies.STUDIES`.
        name: of the experiment.
        backbone: that everything is trained on.
        shared_facts: what is the same for all pieces, for the record: values that JSON has.
    """

    study: ClassVar[str]

    @property
    def name(self) -> str: ...  # noqa: D102 - above
    @property
    def backbone(self) -> Backbone: ...  # noqa: D102
    @property
    def shared_facts(self) -> Mapping[str, Any]: ...  # noqa: D102


class Report(Protocol):
    """The report on an experiment, from the pieces that are done so far.

    Attributes:
        study: name of its study, in :data:`adapter_workbench.experiments.studies.STUDIES`.
        complete: whether all pieces are done.
        progress: how many results there are, and how many there will be.
        seeds: of its replications.
        verdict: the outcome, in sentences.
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

    def needed_for(self, labels: Iterable[str]) -> set[str]:
        """Return the recipe's entries that comparisons need, by the labels of these."""

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``report --json``."""

    def _repr_html_(self) -> str:
        """Return the page for a notebook, without its pictures."""


def no_change(record: RecordDocument, coordinates: Mapping[str, Any]) -> None:
    """Return None: only means are logged, and only when all of their values are there."""


def same_entry(record: RecordDocument, coordinates: Mapping[str, Any]) -> RecordDocument | None:
    """Return the pieces of the entry that the piece with these coordinates is of; None where it is of no entry."""
    label = coordinates.get("label")
    if label is None:
        return None
    return replace(record, pieces=tuple(piece for piece in record.pieces if piece.coordinates.get("label") == label))


GATHERED = {  # module → the one that holds its functions, of a study in few files
    "pieces": "work",
    "present": "page",
    **dict.fromkeys(("summary", "scored", "facts", "quantities"), "report"),
}


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
        modules: module → the one that holds its functions, where that is another.
        rooms: module → package inside ``package``, for modules that do not lie in ``package`` itself.
        reads_workspace: whether its recipes name what a workspace holds; ``make_plan`` is given the workspace then.
    """

    package: str
    key: str
    describe: Callable[[RecordDocument], str]
    changed: Callable[[RecordDocument, Mapping[str, Any]], RecordDocument | None] = no_change
    rooms: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    reads_workspace: bool = False

    @property
    def recipe(self) -> type[NamedRecipe]:
        """The model of its recipes: ``Recipe`` in ``recipe.py``."""
        model: type[NamedRecipe] = self._named("recipe", "Recipe")
        return model

    def planner(self, workspace: Workspace | None = None) -> Callable[[Document, Sequence[Path]], Plan]:
        """Return ``make_plan(document, task_folders)`` in ``plan.py``: names of a recipe resolved, and its data read.

        It raises SettingsError: all that is wrong with the recipe, in one message. ``workspace``: that recipes speak
        of; by default the one that commands take.
        """
        make_plan: Callable[..., Plan] = self._named("plan", "make_plan")
        return partial(make_plan, workspace=workspace or find_workspace(None)) if self.reads_workspace else make_plan

    def plan(self, document: Document, task_folders: Sequence[Path] = (), workspace: Workspace | None = None) -> Plan:
        """Return the plan of a recipe, as :meth:`planner` makes it."""
        return self.planner(workspace)(document, task_folders)

    def shared_facts(self, plan: Plan) -> Mapping[str, Any]:
        """Return what is the same for all pieces, for the record: the plan's, or ``about(plan)`` in ``plan.py``."""
        facts: Mapping[str, Any] | None = getattr(plan, "shared_facts", None)  # asked once: it may read all data
        return self._named("plan", "about")(plan) if facts is None else facts

    @property
    def pieces(self) -> Callable[[Plan], Iterable[Piece]]:
        """``pieces(plan)`` in ``pieces.py``: all the work there is; what a piece needs stands before it."""
        pieces: Callable[[Plan], Iterable[Piece]] = self._named("pieces", "pieces")
        return pieces

    @property
    def report(self) -> Callable[..., Report]:
        """``report(experiment, record, workspace, brief=False)`` in ``summary.py``: of what the pieces have left.

        No model is opened for it. ``brief``: without comparisons of one row with another, which take long and are not
        logged during a run.
        """
        report: Callable[..., Report] = self._named("summary", "report")
        return report

    @property
    def scored(self) -> Callable[[str, RecordDocument, Workspace], Scores]:
        """``scored(experiment, record, workspace)`` in ``scored.py``: scores to hold against another experiment's.

        Label → main metric → scores, replication by replication.
        """
        scored: Callable[[str, RecordDocument, Workspace], Scores] = self._named("scored", "scored")
        return scored

    @property
    def present(self) -> Callable[[Report], Presentation]:
        """``present(report)`` in ``present.py``: what people see of a report, in whatever medium."""
        present: Callable[[Report], Presentation] = self._named("present", "present")
        return present

    @property
    def facts(self) -> Callable[[Mapping[str, Any]], Any]:
        """``facts(document)`` in ``facts.py``: what the referee's checklist asks of the JSON document of a report.

        It returns None for the document of another study; a study without that module has no checklist.
        """
        facts: Callable[[Mapping[str, Any]], Any]
        facts = self._named("facts", "facts") if find_spec(self.module("facts")) else lambda document: None
        return facts

    def module(self, name: str) -> str:
        """Return the full name of one of the study's modules, by its name alone."""
        room, name = self.rooms.get(name), self.modules.get(name, name)
        return f"{self.package}.{room}.{name}" if room else f"{self.package}.{name}"

    def _named(self, module: str, name: str) -> Any:
        return getattr(import_module(self.module(module)), name)
