"""What a person asks of a callback that watches a training, checked before anything is trained."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, collect_problems
from adapter_workbench.workbench.settings.bounds import LONGEST_NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from adapter_workbench.tasks.task_file.spec import TaskSpec

Every: TypeAlias = "Literal['epoch', 'save'] | int"
WHERE = "ForgettingCallback"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
LARGEST = 1_000_000_000


@dataclass(frozen=True)
class WatchSettings:
    """When a training is measured, on what, and when it is stopped."""

    tasks: tuple[TaskSpec, ...]  # that the model is measured on; their files are read, their rows are not
    every: Every  # ``epoch``, ``save`` or a number of optimiser steps
    max_forgetting: float | None  # points; None never stops
    name: str | None  # of the record; None takes that of the folder into which the trainer writes
    rows: int  # test examples of each task
    head_rows: int  # training examples on which a head is fitted
    max_length: int  # tokens of a text
    own: str | None  # the task that the model's own head answers; None finds it by the names of labels
    text_loss: bool = False  # whether the loss on general text is measured too

    @classmethod
    def of(cls, tasks: Sequence[str], folders: Sequence[Path] | None, **others: Any) -> WatchSettings:
        """Return the settings that a person gives.

        Raises:
            SettingsError: all that is wrong with them, in one message.
        """
        problems: list[Problem] = []
        names = _names(tasks, problems)
        specs = _specs(names, registry.user_folders(folders), problems)
        known = {spec.name for spec in specs}  # a family's name stands for its tasks
        problems += [Problem(what, f"{WHERE}({key}=…)") for key, what in _wrong(names, known, **others)]
        if problems:
            raise SettingsError(problems)
        return cls(tuple(specs), **others)

    def name_for(self, folder: str | None) -> str:
        """Return the name of the record of a training that writes into ``folder``."""
        plain = re.sub(r"[^a-z0-9._-]+", "-", Path(folder or "training").resolve().name.lower()).strip("-._")
        return self.name or plain[:LONGEST_NAME] or "training"

    def looks(self, args: Any, state: Any) -> int | None:
        """Return how often the training will be measured after its beginning; None where nobody knows before.

        Args:
            args: of the trainer.
            state: of the trainer, when it begins.

        Raises:
            InputError: the trainer saves nothing, and is to be measured when it does.
        """
        by_save = str(getattr(args.save_strategy, "value", args.save_strategy))
        if self.every == "save" and by_save == "no":
            hint = "Give the trainer a save_strategy, or measure every='epoch'."
            raise InputError("every='save', but this trainer saves no checkpoint", where=WHERE, hint=hint)
        steps: int | None = self.every if isinstance(self.every, int) else None
        if self.every == "save" and by_save == "steps":
            steps = int(state.save_steps)
        if self.every == "epoch" or (self.every == "save" and by_save == "epoch"):
            epochs = float(state.num_train_epochs)
            return None if epochs >= sys.maxsize else max(1, math.ceil(epochs))  # as of rows that nobody can count
        return max(1, math.ceil(int(state.max_steps) / steps)) if steps else None


def _names(tasks: object, problems: list[Problem]) -> list[str]:
    """Return the names of tasks that a person gives, one alone or several; what is no name is a problem."""
    given = [tasks] if isinstance(tasks, str) or not isinstance(tasks, Iterable) else [*tasks]
    wrong = [name for name in given if not isinstance(name, str)]
    if wrong:
        problems.append(Problem(f"give names of tasks, not {wrong[0]!r}", f"{WHERE}(tasks=…)"))
    return [name for name in given if isinstance(name, str)]


def _specs(names: Sequence[str], folders: Sequence[Path], problems: list[Problem]) -> list[TaskSpec]:
    families, specs = registry.families(folders), []
    for name in names:
        for member in families.get(name, (name,)):
            with collect_problems(problems, f"{WHERE}(tasks=…)"):
                specs.append(registry.find(member, folders))
    return specs


def _wrong(names: Sequence[str], known: Collection[str], **given: Any) -> list[tuple[str, str]]:
    """Return what is wrong, each with the argument that it is wrong in; ``known`` are the tasks that were named."""
    problems = [] if names else [("tasks", "no task is named; `workbench tasks list` names them")]
    if len({*names}) < len(names):
        problems.append(("tasks", "a task is named twice"))
    every, bound, own = given["every"], given["max_forgetting"], given["own"]
    if every not in ("epoch", "save") and not _is_count(every):
        problems.append(("every", f"give 'epoch', 'save' or a number of steps, not {every!r}"))
    if bound is not None and not (_is_number(bound) and 0 <= bound < 100):
        problems.append(("max_forgetting", f"give points from 0 up to 100, not {bound!r}"))
    problems += [
        (key, f"give a whole number of at least {least}, not {given[key]!r}")
        for key, least in (("rows", 2), ("head_rows", 2), ("max_length", 4))
        if not _is_count(given[key], least)
    ]
    if given["name"] is not None and not _is_name(given["name"]):
        problems.append(("name", f"give small letters, digits, '.', '_' and '-', not {given['name']!r}"))
    if own is not None and own not in known:
        problems.append(("own", f"{own!r} is not among the tasks"))
    return problems


def _is_name(value: object) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None and len(value) <= LONGEST_NAME


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
