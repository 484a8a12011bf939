"""Ways to make the next version of an adapter when its task has a new version, one file each.

:mod:`.update` says what an update is (``UpdateLesson``), and stores what a way makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from adapter_workbench.workbench.machine.stopwatch import Stopwatch
from adapter_workbench.workbench.methods.sampling import draw, repeated
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.registry import Modules, last_revision

if TYPE_CHECKING:
    from pathlib import Path

    from datasets import Dataset

    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.method import Method
    from adapter_workbench.workbench.methods.model import Penalty, TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


class PlannedUpdate(Protocol):
    """What is known of an update before its champion is.

    Attributes:
        settings: the way's own.
        labels: those of the champion beside those of the newer version.
        adaptation: the method on the backbone.
    """

    @property
    def settings(self) -> Any: ...  # noqa: D102 - above
    @property
    def labels(self) -> LabelMap: ...  # noqa: D102
    @property
    def adaptation(self) -> Adaptation: ...  # noqa: D102


@dataclass(frozen=True)
class UpdateContext:
    """What a way may use."""

    settings: Any  # the way's own
    champion: StoredAdapter  # the adapter that answers now
    labels: LabelMap  # those of the champion beside those of the newer version
    task: Task  # the newer version, whole
    new_rows: frozenset[str]  # ids of training rows that are new, changed or relabelled since the champion's version
    adaptation: Adaptation  # the method on the backbone
    budget: Budget  # of the fit
    seed: int  # of every random choice
    listener: Listener  # hears how it goes
    label: str  # what to call the fit on a screen
    scratch: Path | None = None  # for checkpoints of a fit that takes long
    # counts what a way does beside the fit; it is added to what the fit took
    beside: Stopwatch = field(default_factory=Stopwatch, compare=False)

    @cached_property
    def drawn(self) -> Task:
        """The newer version with the budget's share of its examples: what `anew` learns."""
        return draw(self.task, self.budget, self.seed)

    @cached_property
    def rows(self) -> Dataset:
        """The training rows that are new, changed or relabelled."""
        return self._train(new=True)

    @cached_property
    def old_rows(self) -> Dataset:
        """The other training rows of the newer version, with its labels; not those that it has no more."""
        return self._train(new=False)

    def champion_model(self) -> TaskModel:
        """Return the champion's weights under a head for the newer version's labels.

        The rows of labels that stay are its own (:func:`head_rows`); those of new labels
        are drawn from the seed. It computes in the precision that was asked for, and keeps its frozen matrices as was
        asked; the champion's own may be others.

        Raises:
            InputError: its weights cannot be read, or do not fit.
        """
        from adapter_workbench.workbench.methods.stored_model import open_remapped

        adaptation, task = self.adaptation, self.task
        fresh = adaptation.fresh_head(task.kind, len(task.labels), self.seed)
        budget = self.champion.manifest.budget.model_copy(update={"weights": self.budget.weights})
        asked = self.champion.manifest.model_copy(update={"precision": adaptation.precision, "budget": budget})
        return open_remapped(replace(self.champion, manifest=asked), adaptation.backbone, self.labels.sources, fresh)

    def fit(self, model: TaskModel, rows: Dataset, penalty: Penalty | None = None) -> FitRecord:
        """Train ``model`` in place on ``rows``, for as many steps as `anew` takes; see :func:`fit`.

        ``penalty`` is added to the loss.

        A pass goes over as many examples as an epoch of `anew`, so few rows are read several times in it. The best pass
        is picked on the newer version's validation split. Without any row, nothing is trained.
        """
        from adapter_workbench.workbench.training import fit

        learned = repeated(rows, len(self.drawn.splits["train"]), self.seed)
        lesson = replace(self.drawn, splits={**self.drawn.splits, "train": learned})
        reporting = self.listener, self.label, self.scratch
        model.penalty = penalty
        record = fit(model, lesson, self.adaptation, self.budget, self.seed, *reporting)
        model.penalty = None
        return record

    def _train(self, new: bool) -> Dataset:
        rows = self.task.splits["train"]
        return rows.select(np.flatnonzero([(name in self.new_rows) == new for name in rows["id"][:]]))


@dataclass(frozen=True)
class Learned:
    """What a way makes of an update."""

    model: TaskModel  # for the newer version
    record: FitRecord  # how the fit went
    adaptation: Adaptation | None = None  # what the model is stored as; None: as it was asked for


@dataclass(frozen=True)
class Way:
    """A way to make the next version of an adapter: a card with its paper, its settings and what it does."""

    title: str  # the name in the literature
    # context → the model, trained; it begins at `UpdateContext.champion_model` if anything is gone on with
    learn: Callable[[UpdateContext], Learned]
    paper: str = ""  # where it was introduced; empty where nobody has to be named
    settings: type[Settings] = Settings  # the typed hyper-parameters
    # settings → whether training rows of the champion's version are read
    needs_old_rows: Callable[[Any], bool] = lambda settings: False
    # the update → why it cannot be made this way, in a few words; or None
    objection: Callable[[PlannedUpdate], str | None] = lambda update: None
    # whether the champion's weights are in the result; if not, the adapter is that of a plain
    # `training.Lesson`
    from_champion: bool = True
    revision: int = 1  # raised when the same settings come to mean another result
    # a revision → settings, the method's card → whether it changed the result; where not, its key stays. A
    # revision that is not named changed all results.
    affects: Mapping[int, Callable[[Any, Method], bool]] = field(default_factory=dict, hash=False)

    def revision_of(self, settings: Any, method: Method) -> int:
        """Return the last revision that changed what these settings give with a method."""
        return last_revision(self.revision, self.affects, settings, method)


WAYS: Modules[Way] = Modules("way", __name__, "WAY", Way, besides=("update",))
