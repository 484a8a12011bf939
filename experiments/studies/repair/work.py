"""The work of a study of repairs: a stream as it was left, its repairs, and validation that chooses among attempts."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.document_piece import DocumentPiece
from adapter_workbench.experiments.engine.piece import Effort
from adapter_workbench.experiments.engine.timed_steps import step_shape
from adapter_workbench.experiments.repairs import CONTROL, REPAIRS, EndOfStream
from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.studies.repair.record import REPAIRED, Repaired
from adapter_workbench.experiments.studies.repair.resolved import weights_in
from adapter_workbench.experiments.workspace.evaluating import evaluate_model, validation_score
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.overlap import overlapping
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.engine.piece import Piece, Site
    from adapter_workbench.experiments.repairs import Attempt, Repair, Shared, Stored
    from adapter_workbench.experiments.studies.repair.record import Entry, LearnedStream
    from adapter_workbench.experiments.studies.repair.resolved import RepairPlan
    from adapter_workbench.experiments.studies.stream.plan.entry import Entry as LearnedEntry
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import MethodSettings, Settings


def pieces(plan: RepairPlan) -> Iterator[Piece]:
    """Yield stream by stream, with each of them every repair."""
    for stream, entry in plan.record.pairs():
        yield _piece(plan, stream, entry)


def _piece(plan: RepairPlan, stream: LearnedStream, entry: Entry) -> DocumentPiece:
    """Return one repair of one stream; its key is the one that results of before have."""
    asked = [REPAIRS.identity(entry.repair), REPAIRS.get(entry.repair).revision, entry.settings, sorted(stream.states)]
    pace = f"repair {plan.backbone.name} {entry.repair} {entry.settings} {len(plan.tasks)} {step_shape(plan.budget)}"
    return DocumentPiece(
        key=key([stream.states[len(plan.tasks)], *asked, versions()]),
        coordinates={"part": "repair", "label": entry.label, "seed": stream.seed, "order": stream.order},
        label=f"{stream.label} · {entry.name}",
        effort=Effort(pace),
        leaves=REPAIRED,
        result=partial(_repaired, plan, stream, entry),
    )


def _repaired(plan: RepairPlan, stream: LearnedStream, entry: Entry, site: Site) -> Repaired:
    require_sound(stream, site.workspace)
    repair, settings = plan.repairs[entry.name]
    return repaired(stream, end_of_stream(plan, stream, site.workspace, site.listener), REPAIRS.get(repair), settings)


CLOSE = 0.05  # other processors round otherwise, and change a few answers; other weights change most of them


def repaired(stream: LearnedStream, end: EndOfStream, repair: Repair, settings: Settings) -> Repaired:
    """Return what a repair comes to; of the control what its heads answer, whether or not that is better than before.

    Raises:
        InputError: the weights do not answer as they did at the end of the stream: the backbone is another one.
        TrainingError: a score is not a finite number.
    """
    began, attempts, rows = time.perf_counter(), 0, 0
    unrepaired = _validation(end, end.standing())
    if end.as_learned:
        _require_same(stream, end.as_learned, unrepaired[end.as_learned])
    before = best = _mean(unrepaired)
    chosen, control = None, repair is REPAIRS.get(CONTROL)
    for attempt in repair.attempts(end, settings):
        attempts, rows = attempts + 1, max(rows, _rows(end, attempt))
        if control:
            chosen = attempt
        elif (mean := _mean({**unrepaired, **_validation(end, attempt.shared, attempt.tasks)})) > best:
            chosen, best = attempt, mean
    return Repaired(
        chosen=chosen.chosen if chosen else {},
        attempts=attempts,
        unrepaired=before,
        validation=None if control else best,
        scores={**stream.kept, **(_tested(end, chosen) if chosen else {})},
        seconds=time.perf_counter() - began,
        rows_a_task=rows / len(end.context.tasks),
    )


def _rows(end: EndOfStream, attempt: Attempt) -> int:
    """Return how many labelled rows an attempt reads, of all tasks together, those that validate it among them."""
    validation = attempt.validation_rows
    if validation is None:
        validation = sum(len(task.splits["validation"]) for task in end.context.drawn)
    return attempt.training_rows + validation


def _mean(scores: Mapping[str, float]) -> float:
    return sum(scores.values()) / len(scores)


def _validation(end: EndOfStream, shared: Shared | Stored, tasks: Collection[str] | None = None) -> dict[str, float]:
    """Return the score of each of ``tasks`` on its validation split; of all where it is None."""
    context = end.context
    return {
        task.name: validation_score(end.model(shared, task), task, context.adaptation.backbone, context.budget)
        for task in context.drawn
        if tasks is None or task.name in tasks
    }


def _tested(end: EndOfStream, attempt: Attempt) -> dict[str, float]:
    context = end.context
    scores = {}
    for task in (task for task in context.posed if attempt.tasks is None or task.name in attempt.tasks):
        evaluation = evaluate_model(end.model(attempt.shared, task), task, context.adaptation.backbone, context.budget)
        scores[task.name] = evaluation.scores[KINDS.get(task.kind).metric]
    return scores


def _require_same(stream: LearnedStream, task: str, score: float) -> None:
    learned = stream.validation[task]
    if learned is not None and abs(score - learned) > CLOSE:
        message = f"{task!r} validates at {score:.3f} now, and did at {learned:.3f} when it was learned"
        hint = "Is the backbone still the one that the stream was learned on?"
        raise InputError(message, where=stream.label, hint=hint)


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


def settings_of(entry: LearnedEntry) -> tuple[Settings, MethodSettings]:
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
