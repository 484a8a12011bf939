"""Merges that are tried before one is made: what each would cost its tasks on their validation examples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from adapter_workbench.experiments.strategies._groups import ADAPTERS_FOLDER
from adapter_workbench.experiments.strategies._heads import FOLDER
from adapter_workbench.experiments.workspace.evaluating import validation_score
from adapter_workbench.workbench.methods.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from torch import nn

    from adapter_workbench.experiments.strategies import Context
    from adapter_workbench.experiments.strategies._groups import Group
    from adapter_workbench.workbench.methods.task import Task

DIGITS = 9  # of what is compared: 0.90 − 0.88 is not quite 0.02


@dataclass(frozen=True)
class MergeTrial:
    """A merge of two LoRAs that was tried."""

    pair: tuple[int, int]  # indices of the two groups
    lost: Mapping[str, float]  # task → its validation score before the merge − the score after it

    @property
    def mean(self) -> float:
        """What its tasks lose in the mean."""
        return sum(self.lost.values()) / len(self.lost)

    @property
    def most(self) -> float:
        """What is lost by the task that loses most."""
        return max(self.lost.values())


def cheapest(trials: Sequence[MergeTrial], most: float | None) -> MergeTrial:
    """Return the trial whose tasks lose least in the mean; of those equal up to rounding, the first.

    Args:
        trials: at least one.
        most: points that no task may lose. Trials in which one does are left out while there are others; None: any.
    """
    within = [trial for trial in trials if most is None or round(100 * trial.most, DIGITS) <= most]
    return min(within or trials, key=lambda trial: round(trial.mean, DIGITS))


def least_costly(
    context: Context,
    folder: Path,
    groups: Sequence[Group],
    pairs: Sequence[tuple[int, int]],
    merged: Callable[[tuple[int, int]], nn.Module],
    most: float | None,
) -> tuple[int, int]:
    """Return the pair whose merge costs its tasks least on their validation examples; the test splits are not read.

    Args:
        context: of the stage.
        folder: of its state, with the LoRAs of ``groups`` and the heads of all tasks.
        groups: the oldest first.
        pairs: those that are tried, as indices of ``groups``.
        merged: a pair → the backbone with the LoRA that the two would share.
        most: see :func:`cheapest`.
    """

    @cache
    def scores_of(index: int) -> dict[str, float]:
        return _validated(context, folder, folder / ADAPTERS_FOLDER / groups[index].folder, groups[index].tasks)

    def tried(pair: tuple[int, int]) -> MergeTrial:
        scores_before = {task: score for index in pair for task, score in scores_of(index).items()}
        with TemporaryDirectory(dir=folder) as scratch:
            context.adaptation.library.save(merged(pair), Path(scratch))
            after = _validated(context, folder, Path(scratch), scores_before.keys())
        return MergeTrial(pair, {task: score - after[task] for task, score in scores_before.items()})

    best = cheapest([tried(pair) for pair in pairs], most)
    cost = f"{100 * best.mean:.1f} points a task, {100 * best.most:.1f} at most"
    context.listener.say(f"{context.label}: {len(pairs)} merges tried; on validation the chosen one costs {cost}")
    return best.pair


def _validated(context: Context, folder: Path, adapter: Path, names: Collection[str]) -> dict[str, float]:
    """Return the validation scores of tasks under one LoRA, by name."""
    tasks = [draw(task, context.budget, context.seed) for task in context.posed if task.name in names]
    return {task.name: _score(context, folder / FOLDER / f"{task.name}.safetensors", adapter, task) for task in tasks}


def _score(context: Context, head: Path, adapter: Path, task: Task) -> float:
    adaptation = context.adaptation
    model = adaptation.load(adapter, adaptation.stored_head(head, task.kind, len(task.labels)), task.kind)
    return validation_score(model, task, adaptation.backbone, context.budget)
