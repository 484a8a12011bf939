"""Running a plan: learn, evaluate, write down; what is written down already is not done again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from experiments.engine.provenance import provenance
from experiments.studies.stream.bench import Bench, is_learned, outcome_file
from experiments.studies.stream.record import Record
from experiments.workspace.evaluating import majority
from experiments.workspace.mending import READ_ONLY
from workbench.digest import key
from workbench.errors import IntegrityError, UnwritableError
from workbench.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from experiments.studies.stream.plan import Plan, Step
    from experiments.workspace import Workspace
    from workbench.listener import Listener


def run(plan: Plan, workspace: Workspace, listener: Listener, command: str, after: Callable[[Record], None]) -> Record:
    """Do every step of ``plan`` that is not done yet; ``after`` hears of each one, with the record so far.

    Whatever ends the process, everything that a step finished stays, and the next call goes on from there. What is
    damaged is made again. Where nothing can be written, a plan that is done is read.

    Raises:
        UnwritableError: nothing can be written, and there is something to do.
    """
    try:
        return _run(plan, workspace.mended_by(listener), listener, command, after)
    except UnwritableError:
        if not _is_done(plan, workspace):
            raise
        listener.say(READ_ONLY)
        return workspace.record(plan.recipe.name)


def _run(plan: Plan, workspace: Workspace, listener: Listener, command: str, after: Callable[[Record], None]) -> Record:
    name = plan.recipe.name
    with workspace.locked(name):
        steps = [_reference(plan, step) for step in plan.steps]
        blank = _blank_record(plan, provenance(command))
        workspace.save_record(blank, steps)
        for stream in streams(plan):
            with workspace.claimed(key_of(stream)):
                for _ in _worked(stream, plan, workspace, listener):
                    after(workspace.record(name))
        workspace.save_record(blank, steps, finished=True)
        return workspace.record(name)


def _is_done(plan: Plan, workspace: Workspace) -> bool:
    """Return whether there is nothing to do, and the record is there."""
    done = all(workspace.finished(step.key, outcome_file(plan, step)) for step in plan.steps)
    return done and plan.recipe.name in workspace.streams()


def help_along(plan: Plan, workspace: Workspace, listener: Listener) -> None:
    """Do the streams of ``plan`` that no other process is at, the last first, for a process that runs it."""
    workspace = workspace.mended_by(listener)
    for stream in reversed(streams(plan)):
        with workspace.claimed(key_of(stream), wait=False) as mine:
            if mine:
                deque(_worked(stream, plan, workspace, listener), maxlen=0)


def streams(plan: Plan) -> list[list[Step]]:
    """Return the steps that one contender takes with one seed, in all orders: nothing that another one needs."""
    found: dict[tuple[int, str], list[Step]] = {}
    for step in plan.steps:
        found.setdefault((step.seed, step.contender.label), []).append(step)
    return [*found.values()]


def key_of(stream: Sequence[Step]) -> str:
    """Return the key of the claim on a stream: whoever does these steps holds it."""
    return key([step.key for step in stream])


def _worked(stream: Sequence[Step], plan: Plan, workspace: Workspace, listener: Listener) -> Iterator[Step]:
    """Yield each step after it was done, without those that had been done before."""
    for step in stream:
        if workspace.finished(step.key, outcome_file(plan, step)) is None:
            Bench(plan, step, workspace, listener).work()
            yield step


def pending(plan: Plan, workspace: Workspace) -> list[Step]:
    """Return the steps that still have to be trained, or trained again because another stream goes on from them."""
    waiting: list[Step] = []
    needed: set[str] = set()
    for step in reversed(plan.steps):
        tested = _is_tested(plan, step, workspace)
        if (not tested or step.key in needed) and not is_learned(step, workspace):
            waiting.append(step)
            needed.add(step.before or "")
    return list({step.key: step for step in waiting[::-1]}.values())  # orders that begin alike share their steps


def _is_tested(plan: Plan, step: Step, workspace: Workspace) -> bool:
    try:
        return workspace.finished(step.key, outcome_file(plan, step)) is not None
    except IntegrityError:
        return False  # a run makes it again


def _reference(plan: Plan, step: Step) -> dict[str, Any]:
    return {
        "label": step.contender.label,
        "seed": step.seed,
        "order": step.order,
        "stage": step.stage,
        "key": step.key,
        "outcome": outcome_file(plan, step),
    }


def _blank_record(plan: Plan, circumstances: dict[str, str]) -> Record:
    recipe = plan.recipe
    return Record(
        experiment=recipe.name,
        backbone=recipe.backbone,
        tasks=recipe.tasks,
        test_sizes=tuple(len(draw(task, recipe.budget, seed=0).splits["test"]) for task in plan.tasks),
        majority=tuple(majority(task, recipe.budget) for task in plan.tasks),
        seeds=recipe.seeds,
        orders=tuple(tuple(task.name for task in order) for order in plan.orders),
        scenario=recipe.scenario,
        contenders=plan.contenders,
        reference=recipe.reference,
        budget=recipe.budget.model_dump(mode="json"),
        outcomes=(),
        provenance=circumstances,
        examples={},
        data={task.name: task.fingerprint for task in plan.tasks},
        kinds={task.name: task.kind for task in plan.tasks},
    )
