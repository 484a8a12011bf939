"""merged: at most K LoRAs for any number of tasks; a new task is learned alone, and of more than K, two become one.

Every task keeps the head that it was learned with. What a merge costs its tasks is measured like any forgetting. With K
not smaller than the stream it is ``isolated``; with K = 1 all tasks share one running average.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from experiments.strategies import GROUPS, GROUPS_FILE, Group, Groups, _heads
from experiments.strategies._heads import answering, head_file, stored_head
from experiments.workspace.evaluating import test
from fusion import lora
from fusion.composition import Arithmetic
from fusion.diagnostics import diagnose
from fusion.methods import COMPOSITIONS
from workbench import sealed
from workbench.adaptation import HEAD_FILE
from workbench.adapter_folder import CONFIG, PEFT_WEIGHTS
from workbench.bounds import Count, Scale
from workbench.digest import digest
from workbench.settings import Settings
from workbench.stopwatch import Stopwatch
from workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from experiments.scenarios import Scenario
    from experiments.strategies import Context, State
    from fusion.lowrank import Update
    from workbench.evaluation import Evaluation
    from workbench.fit_record import FitRecord
    from workbench.model import TaskModel
    from workbench.task import Task

ADAPTERS = "adapters"
HIGH = {"cosine": "cosine", "left-overlap": "left_overlap", "right-overlap": "right_overlap"}
LOW = {"sign-conflict": "sign_conflict", "interference": "interference"}


Pair = Literal["cosine", "left-overlap", "right-overlap", "sign-conflict", "interference", "newest", "oldest", "fewest"]


class MergedSettings(Settings):
    """How many LoRAs stay, which two become one, and how."""

    keep: Count = Field(5, description="K: LoRAs that are kept at most")
    pair: Pair = Field(
        "cosine",
        description="which two become one: the most alike of all, the new one and the one that it is most like "
        "(newest), the oldest, or those of the fewest tasks",
    )
    merge: str = Field("svd", description="a composition of LoRA updates: svd, ties, tsv, magmax, …")
    scale: Scale = Field(1.0, description="sum of the two weights, which are as the numbers of tasks; 1 averages")


class MergedAdapters:
    """Its state is the LoRAs (``adapters``), which tasks share which (``groups.json``), and the tasks' heads."""

    settings = MergedSettings
    disposable = (ADAPTERS,)
    stages: Literal["each", "last"] = "each"

    def objection(self, settings: MergedSettings, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """Only LoRAs can be merged, by arithmetic alone, and a task has to be named to find its own."""
        if method != "lora":
            return f"needs method lora, not {method}"
        if not scenario.knows_task:
            return "needs a scenario in which the task is named"
        if settings.merge not in (fit := _merges()):
            return f"merge: {settings.merge!r} is none of {', '.join(fit)}"
        return None

    def fits(self, settings: MergedSettings, examples: Sequence[int]) -> list[int]:
        """One, on the new task."""
        return [examples[-1]]

    def learn(self, state: State, context: Context, folder: Path) -> FitRecord:
        """Learn the task alone, or take its adapter from the store; then make two LoRAs one if there are too many."""
        lesson = Lesson(context.task, context.adaptation, context.budget, context.seed)
        stored = context.workspace.learned(lesson, context.listener, context.label)
        beside = Stopwatch()
        with beside:
            groups = self._carried(state, folder)
            new = Group((context.task.name,), f"{len(context.tasks):03d}")
            (folder / ADAPTERS / new.folder).mkdir()
            for name in (CONFIG, PEFT_WEIGHTS):
                shutil.copy2(stored.folder / name, folder / ADAPTERS / new.folder / name)
            if (head := stored.folder / HEAD_FILE).is_file():
                shutil.copy2(head, folder / _heads.FOLDER / f"{context.task.name}.safetensors")
            groups = self._reduced([*groups, new], context, folder)
            sealed.write(GROUPS, Groups(tuple(groups)), folder / GROUPS_FILE)
        return replace(stored.manifest.fit, seconds=stored.manifest.fit.seconds + beside.seconds)

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Put the task's head on the LoRA that it shares."""
        return context.adaptation.load(_own(state, task), stored_head(state, task, context), task.kind)

    def taught(self, task: Task, context: Context) -> Task:
        """Return the task as it is: its head knows of no other."""
        return task

    def tested(self, state: State, task: Task, context: Context, model: Callable[[], TaskModel]) -> Evaluation:
        """Run the model over the test split."""
        return test(model(), context.asked(task), context.adaptation.backbone, context.budget)

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The LoRA and the head: it stays the same until the LoRA is merged."""
        return answering(context, head_file(state, task, context), digest(_own(state, task) / PEFT_WEIGHTS))

    def kept(self, state: State, context: Context) -> list[Path]:
        """The state's folder."""
        return [state.existing]

    def _carried(self, state: State, folder: Path) -> list[Group]:
        """Copy what was there before into the new state, and return its groups."""
        for name in (ADAPTERS, _heads.FOLDER):
            (folder / name).mkdir()
            if state.folder:
                shutil.copytree(state.folder / name, folder / name, dirs_exist_ok=True)
        return list(_groups(state)) if state.folder else []

    def _reduced(self, groups: list[Group], context: Context, folder: Path) -> list[Group]:
        """Make two of ``groups`` one if there are more than are kept."""
        settings: MergedSettings = context.settings
        if len(groups) <= settings.keep:
            return groups
        updates = [lora.read(folder / ADAPTERS / group.folder) for group in groups]
        first, second = _pair(settings, groups, updates)
        both = groups[first], groups[second]
        total = sum(len(group.tasks) for group in both)
        weights = [settings.scale * len(group.tasks) / total for group in both]
        card = COMPOSITIONS.get(settings.merge)
        assert isinstance(card.compose, Arithmetic)  # else there was an objection
        merged = card.compose.merge([updates[first], updates[second]], weights, card.settings(), context.seed)
        body, _ = lora.attach(context.adaptation.backbone, merged.update)
        place = folder / ADAPTERS / both[0].folder
        for group in both:
            shutil.rmtree(folder / ADAPTERS / group.folder)
        place.mkdir()
        context.adaptation.library.save(body, place)
        counts = " and ".join(str(len(group.tasks)) for group in both)
        context.listener.say(f"{context.label}: the LoRAs of {counts} tasks become one")
        one = Group((*both[0].tasks, *both[1].tasks), both[0].folder)
        return [one if place == first else group for place, group in enumerate(groups) if place != second]


def _groups(state: State) -> tuple[Group, ...]:
    return sealed.require(GROUPS, state.existing / GROUPS_FILE).groups


def _own(state: State, task: Task) -> Path:
    group = next(group for group in _groups(state) if task.name in group.tasks)
    return state.existing / ADAPTERS / group.folder


def _pair(settings: MergedSettings, groups: Sequence[Group], updates: Sequence[Update]) -> tuple[int, int]:
    """Return the places of the two that become one; of equal ones, the oldest."""
    pairs = list(combinations(range(len(groups)), 2))
    if settings.pair == "oldest":
        return pairs[0]
    if settings.pair == "fewest":
        return min(pairs, key=lambda pair: sum(len(groups[place].tasks) for place in pair))
    if settings.pair == "newest":  # the newest stands last
        pairs = [pair for pair in pairs if pair[1] == len(groups) - 1]
    names = [group.folder for group in groups]
    rule = {"newest": "cosine"}.get(settings.pair, settings.pair)
    values = diagnose(names, updates, permutations=0).pairs[{**HIGH, **LOW}[rule]].value
    sign = 1 if rule in HIGH else -1

    def alike(pair: tuple[int, int]) -> float:
        value = values[pair[0]][pair[1]]
        return -math.inf if value is None else sign * value

    return max(pairs, key=alike)


def _merges() -> list[str]:
    """Return the names of the compositions that need the updates alone."""
    return [name for name in COMPOSITIONS.names() if isinstance(COMPOSITIONS.get(name).compose, Arithmetic)]


STRATEGY = MergedAdapters()
