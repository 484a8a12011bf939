"""Probes in a stream: what is measured after a stage, and what of it is known already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from workbench import atomic, sealed
from workbench.digest import key
from workbench.errors import InputError, IntegrityError, Problem, SettingsError, collected, reason
from workbench.hidden import Hidden
from workbench.probes import PROBES, ProbeContext
from workbench.sampling import stratified
from workbench.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from experiments.studies.stream.recipe import Recipe
    from experiments.workspace import Workspace
    from workbench.backbone import Backbone
    from workbench.model import TaskModel
    from workbench.settings import Document
    from workbench.task import Task

HIDDEN = "hidden.safetensors"
DRAW = 0  # the examples of probes are the same for every seed


@dataclass(frozen=True)
class Subject:
    """One task's model after a stage, opened when somebody looks.

    Attributes:
        task: whole, with the labels that the model's head has.
        texts: what identifies the task's texts, whatever labels it is posed with.
        identity: what determines the model.
        learned: the same right after the task was learned; equal to ``identity`` where nothing has changed since.
        outcomes: the model's stored answers to the test split.
        outcomes_learned: the same right after the task was learned.
        open: opens the model.
        open_learned: opens it as it was right after the task was learned.
    """

    task: Task
    texts: str
    identity: str
    learned: str
    outcomes: Callable[[], pd.DataFrame]
    outcomes_learned: Callable[[], pd.DataFrame]
    open: Callable[[], TaskModel]
    open_learned: Callable[[], TaskModel]

    @cached_property
    def model(self) -> TaskModel:
        """The model."""
        return self.open()

    @property
    def as_learned(self) -> Subject:
        """The same right after the task was learned."""
        return replace(self, identity=self.learned, outcomes=self.outcomes_learned, open=self.open_learned)

    @property
    def unchanged(self) -> bool:
        """Whether it is the model that the task was left with when it was learned."""
        return self.identity == self.learned


@dataclass
class Probing:
    """The probes of a recipe after one stage.

    Attributes:
        found: probe → quantity → value, of all that was looked at; a quantity of a task is called ``TASK/quantity``.
        clock: what that took.
    """

    recipe: Recipe
    backbone: Backbone
    workspace: Workspace
    text: tuple[str, ...]
    found: dict[str, dict[str, float]] = field(default_factory=dict)
    clock: Stopwatch = field(default_factory=Stopwatch)

    def look(self, subject: Subject, newest: bool) -> None:
        """Measure one of the tasks learned so far; what was measured of its model before is not measured again."""
        with self.clock:
            for name, values in self._of(subject, newest).items():
                whole = PROBES.get(name).scope == "model"
                own = values if whole else {f"{subject.task.name}/{each}": value for each, value in values.items()}
                if own:
                    self.found.setdefault(name, {}).update(own)

    def _of(self, subject: Subject, newest: bool) -> dict[str, Mapping[str, float]]:
        names = [name for name in self.recipe.probes if newest or PROBES.get(name).scope == "task"]
        files = {name: self.workspace.probe(self._key(subject, name)) / "values.json" for name in names}
        known = {name: self._measured(path) for name, path in files.items()}
        missing = [name for name, values in known.items() if values is None]
        context = self._context(subject) if missing else None
        for name in missing:
            assert context is not None
            found = dict(PROBES.get(name).measure(subject.model, context))
            sealed.write(sealed.CONTENT, found, files[name])
            known[name] = found
        return {name: values for name, values in known.items() if values is not None}

    def _measured(self, path: Path) -> dict[str, float] | None:
        return self.workspace.mending.known(path, lambda: sealed.read(sealed.CONTENT, path))

    def _context(self, subject: Subject) -> ProbeContext:
        size = self.recipe.probe_examples
        splits = {name: stratified(subject.task.splits[name], size, DRAW) for name in ("train", "validation")}
        context = ProbeContext(
            task=replace(subject.task, splits=splits),
            backbone=self.backbone,
            max_length=self.recipe.budget.max_length,
            model=subject.model,
            learned=None if subject.unchanged else self._learned(subject),
            outcomes=subject.outcomes(),
            outcomes_learned=None if subject.unchanged else subject.outcomes_learned(),
            text=self.text,
            seed=DRAW,
        )
        if subject.unchanged and any(PROBES.get(name).reads_hidden for name in self.recipe.probes):
            place = self._hidden(subject)
            if self._kept(subject) is None:
                with atomic.written_whole(place) as folder:
                    save_file({"train": context.hidden.train, "held": context.hidden.held}, folder / HIDDEN)
                    sealed.seal(folder)
        return context

    def _learned(self, subject: Subject) -> Hidden | None:
        """Return the hidden states right after the task was learned; those that were lost are taken again."""
        if not any(PROBES.get(name).reads_hidden for name in self.recipe.probes):
            return None
        return self._kept(subject) or self._context(subject.as_learned).hidden

    def _kept(self, subject: Subject) -> Hidden | None:
        folder = self._hidden(subject)
        return self.workspace.mending.known(folder, lambda: _hidden_states(folder)) if folder.is_dir() else None

    def _hidden(self, subject: Subject) -> Path:
        """Return where the hidden states stand that a task's model had when the task was learned."""
        return self.workspace.probe(key(["hidden", subject.learned, *self._data(subject)]))

    def _key(self, subject: Subject, name: str) -> str:
        posed = [subject.task.fingerprint, subject.identity, subject.learned]
        return key(["probe", name, *posed, list(self.text), *self._data(subject)])

    def _data(self, subject: Subject) -> list[Any]:
        return [subject.texts, self.recipe.probe_examples, self.recipe.budget.max_length]


def _hidden_states(folder: Path) -> Hidden:
    sealed.require_sound(folder)
    try:
        return Hidden(**load_file(folder / HIDDEN))
    except (OSError, SafetensorError, TypeError) as error:
        raise IntegrityError(f"damaged: not readable ({reason(error)})", where=str(folder / HIDDEN)) from None


def require_measurable(document: Document, recipe: Recipe, backbone: Backbone, kinds: Sequence[str]) -> None:
    """Raise SettingsError where a probe of the recipe is unknown, or cannot be measured on this stream."""
    problems: list[Problem] = []
    for index, name in enumerate(recipe.probes):
        where = document.where("probes", index)
        with collected(problems, where):
            for kind in kinds:
                if objection := PROBES.get(name, where).objection(backbone, kind):
                    raise InputError(f"probe {name} cannot be measured here: {objection}", where=where)
            if name == "general-loss" and recipe.probe_text is None:
                raise InputError("probe general-loss needs text: name a task under 'probe_text'", where=where)
    if problems:
        raise SettingsError(problems)


def general_text(task: Task, size: int) -> tuple[str, ...]:
    """Return texts of a task's test split, ``size`` of them."""
    return tuple(stratified(task.splits["test"], size, DRAW)["text"][:])
