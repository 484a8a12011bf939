"""Tasks that overlap: which rows go where, and that none is lost or changed."""

from __future__ import annotations

from collections import Counter

import pytest

from adapter_workbench.tasks.loading import overlap
from adapter_workbench.tasks.loading.overlap import overlapping
from adapter_workbench.tasks.loading.union import pool_tasks
from adapter_workbench.workbench.methods.task import Task
from tests.conftest import FRUITS, SUBJECTS, make_task

TASKS = (
    make_task("animals", SUBJECTS, FRUITS),
    make_task("fruits", FRUITS, SUBJECTS),
    make_task("more", FRUITS, SUBJECTS),
)


def rows(task: Task) -> list[tuple[str, str, int]]:
    split = task.splits["train"]
    return list(zip(split["id"][:], split["text"][:], split["label"][:], strict=True))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_share_of_each_task_goes_to_the_others_alike(share: float) -> None:
    blurred = overlapping(TASKS, share)
    assert [task.name for task in blurred] == [task.name for task in TASKS]
    for position, task in enumerate(TASKS):
        size = len(task.splits["train"])
        counts = [Counter(name.partition("/")[0] for name, _, _ in rows(mixture))[task.name] for mixture in blurred]
        assert counts[position] == size - round(share * size)
        others = counts[:position] + counts[position + 1 :]
        assert sum(others) == round(share * size)
        assert max(others) - min(others) <= 1


def test_rows_are_neither_lost_nor_changed() -> None:
    expected = {(f"{task.name}/{name}", text, label) for task in TASKS for name, text, label in rows(task)}
    blurred = [row for task in overlapping(TASKS, 0.4) for row in rows(task)]
    assert len(blurred) == len(expected)
    assert set(blurred) == expected


def test_only_training_examples_move_and_the_same_ones_again() -> None:
    first, again, more = overlapping(TASKS, 0.4), overlapping(TASKS, 0.4), overlapping(TASKS, 0.6)
    for task, blurred, same, other in zip(TASKS, first, again, more, strict=True):
        assert rows(blurred) == rows(same)
        for split in ("validation", "test"):
            assert blurred.splits[split] is task.splits[split]
        assert len({task.fingerprint, blurred.fingerprint, other.fingerprint}) == 3
        assert blurred.fingerprint == same.fingerprint


def test_tasks_that_bring_nothing_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    monkeypatch.setattr(overlap, "pool_tasks", lambda parts, name: sizes.append(len(parts)) or pool_tasks(parts, name))
    overlapping(TASKS, 0.0)
    assert sizes == [1, 1, 1]


def test_one_task_has_nothing_to_overlap_with() -> None:
    assert overlapping(TASKS[:1], 0.4) == TASKS[:1]
