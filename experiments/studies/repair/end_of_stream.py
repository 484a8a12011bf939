"""From what a workspace holds of a finished stream to its weights and its tasks, as a repair takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.repairs import EndOfStream
from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.studies.repair.streams import weights_in
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.overlap import overlapping
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.experiments.studies.repair.resolved import RepairPlan
    from adapter_workbench.experiments.studies.repair.streams import LearnedStream
    from adapter_workbench.experiments.studies.stream.plan.entry import Entry
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import MethodSettings, Settings


def end_of_stream(plan: RepairPlan, stream: LearnedStream, workspace: Workspace, listener: Listener) -> EndOfStream:
    """Return a stream as a repair takes it; no weights are read."""
    entry, budget = plan.learned[stream.entry], plan.budget
    precision = plan.record.precision or resolve_precision(budget.precision)  # old records do not say
    strategy_settings, method_settings = settings_of(entry)
    context = Context(
        settings=strategy_settings,
        adaptation=Adaptation(plan.backbone, entry.method, method_settings, precision),
        budget=budget,
        seed=stream.seed,
        workspace=workspace,
        listener=listener,
        label=stream.label,
        scenario=SCENARIOS.get(plan.record.scenario),
        tasks=tuple(plan.tasks[name] for name in stream.tasks),
    )
    states = {stage: State(workspace.stage(key) / "state", key) for stage, key in stream.states.items()}
    return EndOfStream(STRATEGIES.get(entry.strategy), context, states)


def settings_of(entry: Entry) -> tuple[Settings, MethodSettings]:
    """Return the settings of a recorded entry's strategy and of its method; one that both have is the strategy's."""
    of_strategy, of_method = STRATEGIES.get(entry.strategy).settings, METHODS.get(entry.method).settings
    first = {name: value for name, value in entry.settings.items() if name in of_strategy.model_fields}
    rest = {
        name: value for name, value in entry.settings.items() if name in of_method.model_fields.keys() - first.keys()
    }
    return of_strategy.model_validate(first), of_method.model_validate(rest)


def require_sound(stream: LearnedStream, workspace: Workspace) -> None:
    """Raise IntegrityError where the weights that a stream left are not as they were."""
    for step in map(workspace.stage, stream.states.values()):
        for name in (*weights_in(step), "heads"):
            checksummed.require_sound(step, among=f"state/{name}/", under=step.name)


def tasks_of(record: Record, folders: Sequence[Path]) -> dict[str, Task]:
    """Return the tasks of a stream by name, whole.

    Raises:
        UnknownNameError: a task is not to be found.
        InputError: the data of a task are not those that were learned.
    """
    find = registry.finder(folders)
    loaded = tuple(registry.load(find(name, record.data.get(name))) for name in record.tasks)
    tasks = dict(
        zip(record.tasks, loaded if record.overlap is None else overlapping(loaded, record.overlap), strict=True)
    )
    changed = [name for name, task in tasks.items() if record.data.get(name) != task.fingerprint]
    if changed:
        hint = "A repair reads the examples that were learned; bring them back, or run the recipe again."
        raise InputError(f"the data of {', '.join(changed)} have changed since", where=record.experiment, hint=hint)
    return tasks
