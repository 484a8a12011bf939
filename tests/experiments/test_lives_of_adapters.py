"""Adapters through random updates of a task: by every way, every version answers as it did, and no test row is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.typing import NDArray

import adapter_workbench.workbench.training
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import SPLITS, Task
from adapter_workbench.workbench.training import fit, fitting
from tests.conftest import FILLERS, FRUITS, SUBJECTS
from tests.ear import Ear

FURNITURE = "chair table lamp shelf sofa stool desk bench".split()
LORA = ["learning_rate=0.02", "budget={epochs: 1, batch_size: 8, max_length: 16, precision: fp32}"]
ANY = AdapterBounds(below_champion=None)
TASK = "description: Nouns.\nfiles: {data: first.csv}\ncolumns: {text: text, label: label}\n"
Seen = dict[str, set[str]]  # texts that were trained on, and those that were read at all


class Nouns:
    """A task in which the noun of a text says everything, and what is known of its labels.

    Attributes:
        words: label → its nouns.
        tested: texts that any version had in validation or test.
    """

    def __init__(self, folder: Path, backbone: Path, seed: int) -> None:
        """Write the first version, and train its champion."""
        self.generator, self.folder, self.tested = Random(seed), folder, set[str]()
        self.words = {"animal": [*SUBJECTS], "fruit": [*FRUITS]}
        folder.mkdir()
        self.rows(10).to_csv(folder / "first.csv", index=False)
        (folder / "nouns.yaml").write_text(TASK, encoding="utf-8")
        self.bench = Workbench(folder / "space", [folder], Ear())
        self.bench.release.add(self.bench.lesson_from("nouns", "lora", str(backbone), 0, LORA), ANY)
        self._note()

    def rows(self, count: int) -> pd.DataFrame:
        """Return new rows, ``count`` of each label."""
        number = self.generator.randrange
        rows = [
            (f"{self.generator.choice(FILLERS)} {self.generator.choice(words)} {number(10**6)}", label)
            for label, words in self.words.items()
            for _ in range(count)
        ]
        return pd.DataFrame(rows, columns=["text", "label"])

    def newest(self) -> Task:
        """Return the newest version."""
        return registry.load(registry.find("nouns", [self.folder]))

    def update(self, kind: str) -> None:
        """Make the next version."""
        from adapter_workbench.tasks.updating.update import UpdateRequest, update
        from adapter_workbench.workbench.settings.base import read

        words, changes = self.words, dict[str, Any]()
        first, second, *_ = self.generator.sample(sorted(words), len(words))
        if kind == "add" and "furniture" not in words:
            changes, words["furniture"] = {"add": ["furniture"]}, FURNITURE
        elif kind == "swap":
            changes = {"rename": {first: second, second: first}}
            words[first], words[second] = words[second], words[first]
        elif kind == "merge" and len(words) > 2:
            changes = {"merge": {"things": [first, second]}}
            words["things"] = [*words.pop(first), *words.pop(second)]
        (self.folder / "changes.yaml").write_text(yaml.safe_dump(changes), encoding="utf-8")
        rows = self.rows(30 if kind == "replace" else 8)
        if kind == "replace":  # half of the old rows go
            task = self.newest()
            old = pd.concat([task.splits[name].to_pandas()[["text", "label"]] for name in SPLITS])
            old["label"] = [task.labels[label] for label in old["label"]]
            rows = pd.concat([rows, old.iloc[::2]])
        rows.to_csv(self.folder / "more.csv", index=False)
        labels = read(self.folder / "changes.yaml") if changes else None
        request = UpdateRequest(str(self.folder / "more.csv"), kind == "replace", labels)
        update("nouns", [self.folder], self.folder, request)
        self._note()

    def _note(self) -> None:
        splits = self.newest().splits
        self.tested |= {text for name in ("validation", "test") for text in splits[name]["text"][:]}

    def answers(self, adapter: StoredAdapter, texts: list[str]) -> NDArray[np.floating[Any]]:
        from datasets import Dataset

        from adapter_workbench.workbench.methods.stored_model import backbone_of

        backbone = backbone_of(adapter)
        rows = Dataset.from_dict({"id": texts, "text": texts, "label": [0] * len(texts)})
        return predict(open_adapter(adapter, backbone), rows, backbone.tokenizer, 16)


@contextmanager
def watched(tokenizer: Any) -> Iterator[Seen]:
    """Yield the texts that are trained on in the block, and those that a tokenizer is given."""
    seen: Seen = {"trained": set(), "read": set()}
    calls = type(tokenizer).__call__

    def fitted(model: Any, task: Any, *rest: Any, **named: Any) -> Any:
        seen["trained"] |= {*task.splits["train"]["text"][:]}
        return fit(model, task, *rest, **named)

    def called(itself: Any, text: Any = None, *rest: Any, **named: Any) -> Any:
        seen["read"] |= {text} if isinstance(text, str) else {*text}
        return calls(itself, text, *rest, **named)

    with ExitStack() as patches:
        for module in (adapter_workbench.workbench.training, fitting):  # of other ways, and of `anew`
            patches.enter_context(patch.object(module, "fit", fitted))
        patches.enter_context(patch.object(type(tokenizer), "__call__", called))
        yield seen


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", range(3))
def test_every_way_keeps_answers_and_test_rows(seed: int, bert: Path, tmp_path: Path) -> None:
    nouns = Nouns(tmp_path / "tasks", bert, seed)
    store, answered = nouns.bench.workspace.adapters, dict[str, tuple[list[str], NDArray[Any]]]()
    for kind in Random(seed).sample(["add", "swap", "merge", "replace", "append"], 4):
        nouns.update(kind)
        for way in WAYS.names():
            plan = nouns.bench.update_plan("nouns", way)
            task, tokenizer = plan.lesson.task, plan.lesson.adaptation.backbone.tokenizer
            test = {*task.splits["test"]["text"][:]}
            with watched(tokenizer) as seen:
                adapter = plan.lesson.learn(store, Silent(), way)
            assert seen["trained"], way
            assert not seen["trained"] & nouns.tested, f"{way} trains on rows that some version tests"
            assert seen["read"], way
            assert not seen["read"] & test, f"{way} reads test rows before it is tested"
            texts = [text for name in SPLITS for text in task.splits[name]["text"][:]]
            answered[adapter.id] = texts, nouns.answers(adapter, texts)
        nouns.bench.update(nouns.bench.update_plan("nouns", "continue"), ANY)
    for adapter_id, (texts, answers) in answered.items():
        assert (nouns.answers(store.verify(adapter_id), texts) == answers).all(), adapter_id
