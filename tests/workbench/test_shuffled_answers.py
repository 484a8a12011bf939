"""Shuffled answers: the texts and answers that a fit sees, each answer at another text."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.methods.shuffled_answers import shuffled
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget

BUDGET = Budget(train_examples=40, validation_examples=10)


def test_texts_and_answers_are_those_of_the_same_fit(task: Task) -> None:
    drawn, twin = draw(task, BUDGET, 3), shuffled(task, BUDGET, 3)
    for split in ("train", "validation"):
        own, other = drawn.splits[split], twin.splits[split]
        assert own["text"][:] == other["text"][:]
        assert Counter(own["label"][:]) == Counter(other["label"][:])
        assert own["label"][:] != other["label"][:]
        assert own.features == other.features
        again = draw(twin, BUDGET, 3).splits[split]
        assert again["text"][:] == own["text"][:], "the fit draws from it, and gets all of it"
    assert twin.splits["test"]["label"][:] == drawn.splits["test"]["label"][:]


def test_nobody_takes_it_for_the_task(task: Task) -> None:
    twin = shuffled(task, BUDGET, 0)
    assert twin.name == f"{task.name}-shuffled"
    assert twin.shuffled
    assert "answers are shuffled" in twin.origin
    more = Budget(train_examples=41, validation_examples=10)
    fingerprints = {shuffled(task, BUDGET, 1).fingerprint, shuffled(task, more, 0).fingerprint}
    assert len({task.fingerprint, twin.fingerprint, *fingerprints}) == 4
    assert twin.fingerprint == shuffled(task, BUDGET, 0).fingerprint


def test_words_keep_as_many_tags_as_there_are(task: Task) -> None:
    tags = [[index % 3] * (1 + index % 4) for index in range(20)]
    features = Features(
        {"id": Value("string"), "text": Value("string"), "tags": List(ClassLabel(names=["a", "b", "c"]))}
    )
    columns = {"id": [str(row) for row in range(20)], "text": ["x " * len(row) for row in tags], "tags": tags}
    rows = Dataset.from_dict(columns, features)
    tagged = replace(task, kind="token-classification", splits={"train": rows, "validation": rows, "test": rows})
    permuted = shuffled(tagged, Budget(), 0).splits["train"]
    assert [len(row) for row in permuted["tags"][:]] == [len(row) for row in tags]
    assert Counter(tag for row in permuted["tags"][:] for tag in row) == Counter(tag for row in tags for tag in row)
    assert permuted["tags"][:] != tags
    assert permuted.features == features


@pytest.mark.parametrize("kind", ["causal-lm", "seq2seq"])
def test_words_that_answer_are_those_of_another_text(kind: str, task: Task) -> None:
    rows = Dataset.from_dict({"id": list("abcdefgh"), "text": list("abcdefgh"), "answer": list("ABCDEFGH")})
    generated = replace(task, kind=kind, labels=(), splits={"train": rows, "validation": rows, "test": rows})
    answers = shuffled(generated, Budget(), 0).splits["train"]["answer"][:]
    assert sorted(answers) == list("ABCDEFGH")
    assert answers != list("ABCDEFGH")
