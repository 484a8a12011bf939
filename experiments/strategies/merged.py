"""merged: at most K LoRAs for any number of tasks; a new task is learned alone, and of more than K, two become one.

Every task keeps the head that it was learned with. What a merge costs its tasks is measured like any forgetting. With K
not smaller than the stream it is ``isolated``; with K = 1 all tasks share one running average.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from adapter_workbench.experiments.strategies import _heads
from adapter_workbench.experiments.strategies._groups import (
    ADAPTERS_FOLDER,
    GROUPS,
    GROUPS_FILE,
    Group,
    Groups,
    set_aside,
)
from adapter_workbench.experiments.strategies._heads import head_file, head_identity, stored_head
from adapter_workbench.experiments.strategies._linkage import completed, linkage
from adapter_workbench.experiments.strategies._stage_cost import StageCost
from adapter_workbench.experiments.strategies._trials import least_costly
from adapter_workbench.experiments.workspace.evaluating import evaluate_model
from adapter_workbench.fusion.diagnosis.diagnostics import diagnose
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import Arithmetic
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Count, Points, Scale
from adapter_workbench.workbench.settings.registry import NameIn
from adapter_workbench.workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._linkage import Cosines
    from adapter_workbench.fusion.updates.lowrank import Update
    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.answering.evaluation import Evaluation
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task

Pair = Literal[
    "average-linkage",
    "cosine",
    "left-overlap",
    "right-overlap",
    "sign-conflict",
    "interference",
    "newest",
    "trial",
    "oldest",
    "fewest",
]
Likeness = Literal["tasks", "merged"]
LINKAGE, NEWEST, TRIAL = "average-linkage", "newest", "trial"
MOST_ALIKE = (NEWEST, TRIAL)  # rules that go by how alike two are, and by something else
HIGH = {"cosine": "cosine", "left-overlap": "left_overlap", "right-overlap": "right_overlap"}
LOW = {"sign-conflict": "sign_conflict", "interference": "interference"}


class MergedSettings(Settings):
    """How many LoRAs stay, which two become one, and how."""

    keep: Count = Field(5, description="K: LoRAs that are kept at most")
    pair: Pair = Field(
        "average-linkage",
        description="which two become one: the most alike of all, the new one and the one that it is most like "
        "(newest), the pair whose merge costs least on validation (trial), the oldest, or those of the fewest tasks; "
        "cosine: the most alike as merged, which favours the LoRA of the most tasks",
    )
    likeness: Likeness = Field(
        "tasks",
        description="how alike two are for newest and trial: by the LoRAs that their tasks were learned with, or as "
        "they are now (merged)",
    )
    tries: Count = Field(3, description="pairs that trial tries, the most alike by cosine")
    most: Points | None = Field(
        None, description="points that trial lets no task lose on validation, if another tried pair allows that; or any"
    )
    merge: Annotated[str, NameIn(COMPOSITIONS)] = Field(
        "svd", description="a composition of LoRA updates: svd, ties, tsv, magmax, …"
    )
    scale: Scale = Field(
        1.0, description="what two equal LoRAs are multiplied by; each counts as its number of tasks, and 1 averages"
    )
    undo: int = Field(0, ge=0, le=1_000_000, description="of how many merges, the last ones, the two LoRAs are kept")

    @model_serializer(mode="wrap")
    def _without_idle(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what plays no part, so that it tells apart no states that are the same.

        States of earlier versions, which went by the merged LoRAs, have no ``likeness`` and are not taken for others.
        """
        idle = [
            *([] if self.pair == TRIAL else ["tries", "most"]),
            *([] if self.undo else ["undo"]),
            *([] if self.pair in MOST_ALIKE else ["likeness"]),
        ]
        return {name: value for name, value in written(self).items() if name not in idle}


class MergedAdapters:
    """Its state is the LoRAs (``adapters``), which tasks share which (``groups.json``), and the tasks' heads.

    Among the LoRAs are those of merges that can be undone.
    """

    settings = MergedSettings
    disposable = (ADAPTERS_FOLDER,)
    stages: Literal["each", "last"] = "each"

    def objection(self, settings: MergedSettings, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """Only LoRAs can be merged, by arithmetic alone, and a task has to be named to find its own."""
        if method != "lora":
            return f"needs method lora, not {method}"
        if not scenario.knows_task:
            return "needs a scenario in which the task is named"
        if settings.merge not in (usable := _merges()):
            return f"merge: {settings.merge!r} is none of {', '.join(usable)}"
        if settings.scale != 1 and settings.merge in (unscaled := _merges(relative=True)):
            return f"scale: {settings.scale:g} changes nothing with merge: {settings.merge} ({', '.join(unscaled)})"
        if settings.most is not None and settings.pair != TRIAL:
            return f"most: {settings.most:g} needs pair: {TRIAL}, not {settings.pair}"
        return None

    def revision(self, settings: MergedSettings) -> int:
        """Return 2 where equal LoRAs do not become their sum: with weights of sum 1 they became less than one."""
        return 1 if _arithmetic(settings.merge).of_equals is math.fsum else 2

    def fits(self, settings: MergedSettings, examples: Sequence[int]) -> list[int]:
        """One, on the new task."""
        return [examples[-1]]

    def learn(self, state: State, context: Context, folder: Path) -> FitRecord:
        """Learn the task alone, or take its adapter from the store; then make two LoRAs one if there are too many."""
        lesson = Lesson(context.task, context.adaptation, context.budget, context.seed)
        stored = context.workspace.trained_adapter(lesson, context.listener, context.label)
        cost = StageCost()
        with cost.counted():
            previous = self._copy_forward(state, folder)
            new = Group((context.task.name,), f"{len(context.tasks):03d}")
            (folder / ADAPTERS_FOLDER / new.folder).mkdir()
            for name in (CONFIG, PEFT_WEIGHTS):
                shutil.copy2(stored.folder / name, folder / ADAPTERS_FOLDER / new.folder / name)
            if (head := stored.folder / HEAD_FILE).is_file():
                shutil.copy2(head, folder / _heads.FOLDER / f"{context.task.name}.safetensors")
            groups = tuple(_with_digest(folder, group) for group in (*previous.groups, new))
            checksummed.write(
                GROUPS, self._merge_if_too_many(replace(previous, groups=groups), context, folder), folder / GROUPS_FILE
            )
        fit = stored.manifest.own_fit
        cost.add(fit)
        return cost.record_of(fit)

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Put the task's head on the LoRA that it shares."""
        body = state.existing / ADAPTERS_FOLDER / _group_of(state, task).folder
        return context.adaptation.load(body, stored_head(state, task, context), task.kind)

    def taught(self, task: Task, context: Context) -> Task:
        """Return the task as it is: its head knows of no other."""
        return task

    def tested(self, state: State, task: Task, context: Context, model: Callable[[], TaskModel]) -> Evaluation:
        """Run the model over the test split."""
        return evaluate_model(model(), context.asked(task), context.adaptation.backbone, context.budget)

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The LoRA and the head: it stays the same until the LoRA is merged."""
        group = _group_of(state, task)
        return head_identity(context, head_file(state, task, context), group.weights or _digest(state.existing, group))

    def kept(self, state: State, context: Context) -> list[Path]:
        """The state's folder."""
        return [state.existing]

    def _copy_forward(self, state: State, folder: Path) -> Groups:
        """Copy what was there before into the new state, and return its groups."""
        for name in (ADAPTERS_FOLDER, _heads.FOLDER):
            (folder / name).mkdir()
            if state.folder:
                shutil.copytree(state.folder / name, folder / name, dirs_exist_ok=True)
        return _groups(state) if state.folder else Groups()

    def _merge_if_too_many(self, previous: Groups, context: Context, folder: Path) -> Groups:
        """Make two of the groups one if there are more than are kept."""
        settings: MergedSettings = context.settings
        groups = previous.groups
        if len(groups) <= settings.keep:
            return previous
        updates = [lora.read(folder / ADAPTERS_FOLDER / group.folder) for group in groups]
        cosines = _cosines(previous, context) if links_tasks(settings.pair, settings.likeness) else None
        pairs = ranked_pairs(settings.pair, groups, updates, cosines)

        def body_of(pair: tuple[int, int]) -> nn.Module:
            return _merged_body(context, [groups[index] for index in pair], [updates[index] for index in pair])

        pair = pairs[0]
        if settings.pair == TRIAL:
            pair = least_costly(context, folder, groups, pairs[: settings.tries], body_of, settings.most)
        first, second = pair
        sources, body = (groups[first], groups[second]), body_of(pair)
        merges = set_aside(folder / ADAPTERS_FOLDER, previous.merges, sources, len(context.tasks), settings.undo)
        merged_folder = folder / ADAPTERS_FOLDER / sources[0].folder
        merged_folder.mkdir()
        context.adaptation.library.save(body, merged_folder)
        counts = " and ".join(str(len(group.tasks)) for group in sources)
        context.listener.say(f"{context.label}: the LoRAs of {counts} tasks become one")
        joined = _with_digest(folder, Group((*sources[0].tasks, *sources[1].tasks), sources[0].folder))
        remaining = [joined if index == first else group for index, group in enumerate(groups) if index != second]
        return Groups(tuple(remaining), merges, cosines or previous.cosines)


def _groups(state: State) -> Groups:
    return state.document(GROUPS, GROUPS_FILE)


def _group_of(state: State, task: Task) -> Group:
    return next(group for group in _groups(state).groups if task.name in group.tasks)


def _with_digest(folder: Path, group: Group) -> Group:
    return replace(group, weights=group.weights or _digest(folder, group))


def _digest(folder: Path, group: Group) -> str:
    return digest(folder / ADAPTERS_FOLDER / group.folder / PEFT_WEIGHTS)


def _cosines(previous: Groups, context: Context) -> Cosines:
    """Return how alike the LoRAs are that the tasks so far were learned with; the store has them."""
    lessons = {task.name: Lesson(task, context.adaptation, context.budget, context.seed) for task in context.tasks}

    def read(name: str) -> Update:
        return lora.read(context.workspace.trained_adapter(lessons[name], context.listener, context.label).folder)

    return completed(previous.cosines, [*lessons], read)


def _merged_body(context: Context, groups: Sequence[Group], updates: Sequence[Update]) -> nn.Module:
    """Return the backbone with the LoRA that two groups would share."""
    settings: MergedSettings = context.settings
    weights = _weights(settings, [len(group.tasks) for group in groups])
    own = COMPOSITIONS.get(settings.merge).settings()
    merged = _arithmetic(settings.merge).merge(updates, weights, own, context.seed)
    return lora.attach(context.adaptation.backbone, merged.update)[0]


def _weights(settings: MergedSettings, counts: Sequence[int]) -> list[float]:
    """Return weights in the ratio of the numbers of tasks, with which equal LoRAs become ``scale`` times that LoRA."""
    whole = _arithmetic(settings.merge).of_equals(counts)
    return [settings.scale * count / whole for count in counts]


def _arithmetic(merge: str) -> Arithmetic:
    compose = COMPOSITIONS.get(merge).compose
    assert isinstance(compose, Arithmetic)  # else there was an objection
    return compose


def _merges(relative: bool = False) -> list[str]:
    """Return the names of the compositions that need the updates alone, except ``negate``, which takes them away.

    ``relative``: only those that go by the ratio of the weights.
    """
    composes = {name: COMPOSITIONS.get(name).compose for name in COMPOSITIONS.names() if name != "negate"}
    return [
        name
        for name, compose in composes.items()
        if isinstance(compose, Arithmetic) and (compose.relative or not relative)
    ]


# Which two of a state's LoRAs may become one: rules that read the updates or the groups, and no data.


def links_tasks(rule: Pair, likeness: Likeness) -> bool:
    """Return whether a rule goes by the LoRAs that the tasks were learned with."""
    return rule == LINKAGE or (rule in MOST_ALIKE and likeness == "tasks")


def ranked_pairs(
    rule: Pair, groups: Sequence[Group], updates: Sequence[Update], cosines: Cosines | None = None
) -> list[tuple[int, int]]:
    """Return the pairs that ``rule`` allows as indices of groups, the best first; of equal ones, the oldest first.

    Args:
        rule: its name; ``trial`` goes through the pairs by how alike they are.
        groups: the oldest first.
        updates: of the groups' LoRAs.
        cosines: of the LoRAs that the tasks were learned with, by which two groups are alike; None: the cosine of the
            groups' LoRAs as they are, which favours the largest group.
    """
    pairs = list(combinations(range(len(groups)), 2))
    if rule == "oldest":
        return pairs
    if rule == "fewest":
        return sorted(pairs, key=lambda pair: sum(len(groups[index].tasks) for index in pair))
    if rule == NEWEST:  # the newest stands last
        pairs = [pair for pair in pairs if pair[1] == len(groups) - 1]
    if cosines is not None:
        return sorted(pairs, key=lambda pair: -linkage(groups[pair[0]].tasks, groups[pair[1]].tasks, cosines))
    statistic = {NEWEST: "cosine", TRIAL: "cosine"}.get(rule, rule)
    names = [group.folder for group in groups]
    values = diagnose(names, updates, permutations=0).pairs[{**HIGH, **LOW}[statistic]].value
    sign = 1 if statistic in HIGH else -1

    def unlike(pair: tuple[int, int]) -> float:
        value = values[pair[0]][pair[1]]
        return math.inf if value is None else -sign * value

    return sorted(pairs, key=unlike)


STRATEGY = MergedAdapters()
