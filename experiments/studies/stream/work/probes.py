"""Probes in a stream: what is measured after a stage, and what of it is known already."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from adapter_workbench.experiments.studies.stream.plan.measurable import DRAW
from adapter_workbench.experiments.workspace.example_scores import read_outcomes
from adapter_workbench.workbench.answering.hidden_states import HiddenStates
from adapter_workbench.workbench.errors import IntegrityError, reason
from adapter_workbench.workbench.files import atomic, checksummed
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.stopwatch import Stopwatch
from adapter_workbench.workbench.methods.sampling import stratified_sample
from adapter_workbench.workbench.probes import PROBES, ProbeContext

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.studies.stream.plan.recipe import Recipe
    from adapter_workbench.experiments.studies.stream.work.answering import Answering
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.probes import ProbeRequest

HIDDEN, VALUES = "hidden.safetensors", "values.json"  # in folders that are called as their keys


@dataclass
class Probing:
    """The probes of a recipe after one stage.

    Attributes:
        asked: what the recipe asks of probes that have settings, by their names.
        measured: probe → quantity → value, of all that was looked at; a quantity of a task is called ``TASK/quantity``.
        clock: what that took.
    """

    recipe: Recipe
    backbone: Backbone
    workspace: Workspace
    text: tuple[str, ...]
    asked: Mapping[str, ProbeRequest]
    measured: dict[str, dict[str, float]] = field(default_factory=dict)
    clock: Stopwatch = field(default_factory=Stopwatch)

    def look(self, answering: Answering, evaluation: str, newest: bool) -> None:
        """Measure the model of one of the tasks learned so far; what was measured before is not measured again.

        Args:
            answering: the task after a stage.
            evaluation: key of its stored answers to the test split.
            newest: whether it is the task of this stage, whose model stands for what all tasks share.
        """
        with self.clock:
            for name, values in self._of(answering, evaluation, newest).items():
                whole = PROBES.get(name).scope == "model"
                task = answering.task.name
                own = values if whole else {f"{task}/{quantity}": value for quantity, value in values.items()}
                if own:
                    self.measured.setdefault(name, {}).update(own)

    @property
    def _reads_hidden(self) -> bool:
        return any(PROBES.get(name).reads_hidden for name in self.recipe.probes)

    def _of(self, answering: Answering, evaluation: str, newest: bool) -> dict[str, Mapping[str, float]]:
        names = [name for name in self.recipe.probes if newest or PROBES.get(name).scope == "task"]
        files = {name: self.workspace.probe(self._key(answering, name)) / VALUES for name in names}
        stored = {name: self._measured(path) for name, path in files.items()}
        missing = [name for name, values in stored.items() if values is None]
        context = self._context(answering, evaluation) if missing else None
        for name in missing:
            assert context is not None
            measured = dict(PROBES.get(name).measure(context.model, context))
            checksummed.write(checksummed.CONTENT, measured, files[name], files[name].parent.name)
            stored[name] = measured
        return {name: values for name, values in stored.items() if values is not None}

    def _measured(self, path: Path) -> dict[str, float] | None:
        return self.workspace.access.read(path, lambda: checksummed.read(checksummed.CONTENT, path, path.parent.name))

    def _context(self, answering: Answering, evaluation: str) -> ProbeContext:
        task, size, learned = answering.taught, self.recipe.probe_examples, answering.as_learned
        unchanged = answering.identity == learned.identity
        given = answering.learning.planned.given
        splits = {name: stratified_sample(task.splits[name], size, DRAW) for name in ("train", "validation")}
        context = ProbeContext(
            task=replace(task, splits=splits),
            backbone=self.backbone,
            max_length=self.recipe.budget.max_length,
            model=answering.model,
            learned=None if unchanged else self._learned(learned),
            outcomes=self._outcomes(evaluation),
            outcomes_learned=None if unchanged else self._outcomes(learned.evaluation),
            text=self.text,
            seed=DRAW,
            batch_size=self.recipe.budget.batch_size,
            settings={name: asked.settings for name, asked in self.asked.items()},
            own=given.checkpoint.backbone if given else None,
            reader=given.checkpoint.reader if given else None,
        )
        if unchanged and self._reads_hidden and self._kept(answering) is None:
            with atomic.written_whole(self._hidden(answering)) as folder:
                save_file({"train": context.hidden.train, "held": context.hidden.held}, folder / HIDDEN)
                checksummed.seal(folder, self._hidden(answering).name)
        return context

    def _outcomes(self, evaluation: str) -> pd.DataFrame:
        return read_outcomes(self.workspace.evaluations.outcomes(evaluation))

    def _learned(self, learned: Answering) -> HiddenStates | None:
        """Return the hidden states right after the task was learned; those that were lost are taken again."""
        if not self._reads_hidden:
            return None
        return self._kept(learned) or self._context(learned, learned.evaluation).hidden

    def _kept(self, learned: Answering) -> HiddenStates | None:
        folder = self._hidden(learned)
        return self.workspace.access.read(folder, lambda: _hidden_states(folder)) if folder.is_dir() else None

    def _hidden(self, learned: Answering) -> Path:
        """Return where the hidden states stand that a task's model had when the task was learned."""
        return self.workspace.probe(key(["hidden", learned.identity, *self._data(learned)]))

    def _key(self, answering: Answering, name: str) -> str:
        posed = [answering.taught.fingerprint, answering.identity, answering.as_learned.identity]
        asked = [self.asked[name].identity] if name in self.asked else []
        reads_answers = PROBES.get(name).scope == "task" and not PROBES.get(name).reads_hidden
        rows = [{"test rows": self.recipe.budget.eval_examples}] if reads_answers else []
        return key(["probe", PROBES.identity(name), *posed, list(self.text), *self._data(answering), *asked, *rows])

    def _data(self, answering: Answering) -> list[Any]:
        return [answering.task.fingerprint, self.recipe.probe_examples, self.recipe.budget.max_length]


def _hidden_states(folder: Path) -> HiddenStates:
    checksummed.require_sound(folder, under=folder.name)
    try:
        return HiddenStates(**load_file(folder / HIDDEN))
    except (OSError, SafetensorError, TypeError) as error:
        raise IntegrityError(f"damaged: not readable ({reason(error)})", where=str(folder / HIDDEN)) from None
