"""A head for a task with its labels in another order, or its numbers in another unit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from datasets import Dataset
from torch import nn

from adapter_workbench.workbench.adapters.manifest import TaskReference
from adapter_workbench.workbench.methods.posed_head import posed
from adapter_workbench.workbench.methods.task import Task

FEATURES = torch.arange(12.0).reshape(3, 4)


def reference(kind: str, labels: tuple[str, ...] = (), scale: tuple[float, float] | None = None) -> TaskReference:
    return TaskReference(name="own", kind=kind, labels=labels, fingerprint=None, origin="", scale=scale)


def asked(kind: str, labels: tuple[str, ...] = (), scale: tuple[float, float] | None = None) -> Task:
    columns = {"text": ["a"], **({"centre": [scale[0]], "spread": [scale[1]]} if scale else {})}
    return Task("own", kind, labels, {"train": Dataset.from_dict(columns)}, "here", "made in tests")


def test_columns_follow_the_names_of_the_labels() -> None:
    head, own = nn.Linear(4, 3), reference("classification", ("a", "b", "c"))
    task = asked("classification", ("c", "a", "b"))
    assert torch.equal(posed(head, own, task)(FEATURES), head(FEATURES)[:, [2, 0, 1]])
    assert posed(head, own, replace(task, labels=own.labels)) is head
    assert (task.pose(own), replace(task, labels=own.labels).pose(own)) == ("2,0,1", "")


def test_numbers_are_the_same_in_the_unit_of_the_other_task() -> None:
    """A value is logit × spread + mean: with each task's own numbers both give the same one."""
    head, own, task = nn.Linear(4, 1), reference("regression", scale=(3.0, 2.0)), asked("regression", scale=(5.0, 0.5))
    value = head(FEATURES) * 2.0 + 3.0
    torch.testing.assert_close(posed(head, own, task)(FEATURES) * 0.5 + 5.0, value)
    assert posed(head, own, asked("regression", scale=(3.0, 2.0))) is head
    assert task.pose(own) != ""


@pytest.mark.parametrize(
    ("fingerprint", "named", "labels", "is_it"),
    [
        ("here", "another", ("x",), True),
        ("there", "own", ("a", "b"), False),
        (None, "own", ("b", "a"), True),
        (None, "own", ("a", "c"), False),
        (None, "another", ("a", "b"), False),
    ],
)
def test_a_task_is_an_adapter_s_by_its_data_or_where_they_are_unknown_by_name_and_labels(
    fingerprint: str | None, named: str, labels: tuple[str, ...], is_it: bool
) -> None:
    about = reference("classification", labels).model_copy(update={"fingerprint": fingerprint, "name": named})
    assert asked("classification", ("a", "b")).is_that_of(about) is is_it
