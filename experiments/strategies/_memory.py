"""A memory of examples: which ones are kept, and what is kept of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import pyarrow.parquet as pq
from datasets import Dataset, concatenate_datasets

from adapter_workbench.workbench.machine import processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


FILE = "memory.parquet"
TASK = "task"  # column with the name of the task that a remembered row is of
Policy = Literal["balanced", "reservoir"]
Row = TypeVar("Row")


def recall(folder: Path | None) -> Dataset | None:
    """Return the memory of a state, rows of all tasks with their tasks' names; None where there is none yet."""
    path = folder / FILE if folder else None
    # not Dataset.from_parquet: that leaves a copy of every memory in the user's cache
    return Dataset(pq.read_table(path)) if path and path.is_file() else None


def save(memory: Dataset, folder: Path) -> None:
    """Write the memory into a state's folder."""
    # not Dataset.to_parquet: that draws a progress bar into whatever is on the screen
    pq.write_table(memory.with_format("arrow")[:], folder / FILE)


def by_task(memory: Dataset | None) -> dict[str, Dataset]:
    """Return the remembered rows of each task, without the column that names it."""
    if memory is None:
        return {}
    names = np.asarray(memory[TASK][:])
    rows = memory.remove_columns(TASK)
    return {str(name): rows.select(np.flatnonzero(names == name)) for name in dict.fromkeys(names.tolist())}


def remember(
    memory: Dataset | None, rows: Dataset, task: str, size: int, policy: Policy, before: int, seed: int
) -> Dataset:
    """Return the memory after the rows of one more task have gone by.

    Args:
        memory: as it was.
        rows: the training rows of the task, with their own labels.
        task: its name.
        size: how many rows the memory may hold.
        policy: ``reservoir`` (Vitter 1985, algorithm R): each row that ever went by is in it with the same probability;
            ``balanced``: each label of each task has the same share of it (Prabhu et al. 2020, greedy balancing).
        before: how many rows went by before these.
        seed: of the draws.
    """
    rows = rows.add_column(TASK, [task] * len(rows))
    everything = concatenate_datasets([memory, rows]) if memory is not None else rows
    old = len(memory) if memory is not None else 0
    generator = np.random.default_rng([seed, before])
    if policy == "reservoir":
        return everything.select(reservoir(old, len(rows), size, before, generator))
    labels = everything["label"][:] if "label" in everything.column_names else [0] * len(everything)
    return everything.select(_balanced_sample(list(zip(everything[TASK][:], labels, strict=True)), size, generator))


def reservoir(old: int, new: int, size: int, before: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the positions of what stays of ``old`` remembered rows and of ``new`` ones behind them: see remember."""
    slots = list(range(old))
    for position in range(new):
        seen = before + position
        if len(slots) < size:
            slots.append(old + position)
        elif (slot := int(generator.integers(seen + 1))) < size:
            slots[slot] = old + position
    return np.array(slots, dtype=np.int64)


def drawn(rows: Sequence[Row], count: int, seed: int, step: int) -> list[Row]:
    """Return ``count`` of the remembered rows, or all where there are fewer: the same whenever a step is taken."""
    generator = np.random.default_rng([seed, step, processes.rank()])
    return [rows[index] for index in generator.choice(len(rows), min(count, len(rows)), replace=False)]


def _balanced_sample(labels: Sequence[tuple[str, int]], size: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return positions of ``size`` rows: one from each class in turn; the classes with the fewest rows run out first.

    The classes take their turns in a drawn order, so that what is left over is not always the earliest tasks'.
    """
    classes = list(dict.fromkeys(labels))
    positions: Mapping[tuple[str, int], list[int]] = {classes[turn]: [] for turn in generator.permutation(len(classes))}
    for position in generator.permutation(len(labels)):
        positions[labels[position]].append(int(position))
    depth = max((len(members) for members in positions.values()), default=0)
    in_turn = [members[round_] for round_ in range(depth) for members in positions.values() if round_ < len(members)]
    return np.sort(np.array(in_turn[:size], dtype=np.int64))
