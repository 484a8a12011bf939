"""From what a workspace holds of a finished stream to its weights and its tasks, as a repair takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.repairing.streams import shared_weights
from experiments.repairs import EndOfStream
from experiments.scenarios import SCENARIOS
from experiments.strategies import Context, State
from experiments.strategies._groups import ADAPTERS_FOLDER
from experiments.studies.stream.plan.plan import method_settings, strategy_settings
from experiments.studies.stream.work.steps import Steps
from tasks.loading import registry
from tasks.loading.overlap import overlapping
from workbench.backbone.names import open_backbone
from workbench.errors import InputError
from workbench.files import checksummed
from workbench.machine.device import resolve_precision
from workbench.methods.adaptation import Adaptation
from workbench.settings.base import Budget

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from experiments.repairing.streams import LearnedStream
    from experiments.studies.stream.plan.entry import Entry
    from experiments.studies.stream.results.record import Record
    from experiments.workspace import Workspace
    from workbench.machine.listener import Listener
    from workbench.methods.task import Task


@dataclass(frozen=True)
class Opening:
    """What all streams of one experiment are opened with.

    Attributes:
        tasks: by name, whole.
        budget: of the recipe.
    """

    workspace: Workspace
    record: Record
    tasks: Mapping[str, Task]
    budget: Budget
    listener: Listener

    def end(self, stream: LearnedStream) -> EndOfStream:
        """Return a stream as a repair takes it.

        Raises:
            InputError: the shared weights after the last stage were not kept.
            IntegrityError: a state is damaged.
        """
        context = Context(
            settings=strategy_settings(stream.entry),
            adaptation=self._adaptation(stream.entry),
            budget=self.budget,
            seed=stream.seed,
            workspace=self.workspace,
            listener=self.listener,
            label=stream.label,
            scenario=SCENARIOS.get(self.record.scenario),
            tasks=tuple(self.tasks[name] for name in self.record.orders[stream.order]),
        )
        folders = {stage: Steps(self.workspace).folder(key) for stage, key in stream.steps.items()}
        entry = shared_weights(stream.entry)
        assert entry, "learned_streams gives no others"
        states = {
            stage: State(folder / "state", stream.steps[stage]) for stage, folder in folders.items() if _sound(folder)
        }
        if len(context.tasks) not in states:
            hint = f"Learn them again: {self.record.provenance.get('command') or 'workbench run RECIPE'}"
            raise InputError(f"{stream.label}: the final weights are gone", where=str(folders[max(folders)]), hint=hint)
        return EndOfStream(entry, context, states)

    def _adaptation(self, entry: Entry) -> Adaptation:
        backbone = open_backbone(self.record.backbone).quantized(self.budget.quantization)
        precision = resolve_precision(self.budget.precision)
        return Adaptation(backbone, entry.method, method_settings(entry), precision)


def opening(workspace: Workspace, record: Record, task_folders: Sequence[Path], listener: Listener) -> Opening:
    """Return what the streams of a record are opened with; their data are read.

    Raises:
        UnknownNameError: a task is not to be found.
        InputError: the data of a task are not those that were learned.
    """
    find = registry.finder(task_folders)
    stream = tuple(registry.load(find(name)) for name in record.tasks)
    stream = stream if record.overlap is None else overlapping(stream, record.overlap)
    tasks = dict(zip(record.tasks, stream, strict=True))
    changed = [name for name, task in tasks.items() if record.data.get(name) != task.fingerprint]
    if changed:
        hint = "A repair reads the examples that were learned; bring them back, or run the recipe again."
        raise InputError(f"the data of {', '.join(changed)} have changed since", where=record.experiment, hint=hint)
    return Opening(workspace, record, tasks, Budget.model_validate(record.budget), listener)


def _sound(folder: Path) -> bool:
    """Return whether a step's shared weights are there; raises IntegrityError where they are not as they were."""
    weights = [name for name in ("body", ADAPTERS_FOLDER) if (folder / "state" / name).is_dir()]
    for name in (*weights, "heads") if weights else ():
        checksummed.require_sound(folder, among=f"state/{name}/", under=folder.name)
    return bool(weights)
