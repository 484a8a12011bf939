"""A workspace with adapters of one task, one for each seed, whose validation scores are known."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from adapter_workbench.experiments.answers.adapter_task import adapter_task
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.gating.candidate.judged_rows import answers_key, keep_answers
from adapter_workbench.experiments.gating.candidate.mapped_answers import Answers
from adapter_workbench.tasks.updating.label_map import unchanged
from adapter_workbench.workbench.adapters.manifest import write_manifest
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.mlflow.address import tracking_uri
from adapter_workbench.workbench.mlflow.tracker import Tracker
from tests.streams import write_tasks

BUDGET = {"epochs": 1, "batch_size": 16, "max_length": 16, "precision": "fp32"}
SCORES = {0: 0.5, 1: 0.75, 2: 0.875}  # the validation scores that the adapters' manifests get, by seed


class ScoredAdapters:
    """The workspace ``.workbench`` and the task files in a folder."""

    def __init__(self, folder: Path, ids: dict[int, str]) -> None:
        self.folder, self.ids = folder, ids
        self.bench = Workbench(folder / ".workbench", [folder / "tasks"])

    @classmethod
    def made(cls, folder: Path, bert: Path) -> ScoredAdapters:
        """Train them."""
        write_tasks(folder)
        made = cls(folder, {})
        made.ids = {seed: made.learn(str(bert), seed, score) for seed, score in SCORES.items()}
        return made

    def copied(self, folder: Path) -> ScoredAdapters:
        """Return a copy in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return ScoredAdapters(folder, self.ids)

    def learn(self, bert: str, seed: int, score: float, task: str = "animals", method: str = "lora") -> str:
        """Train one more adapter, write that it has this validation score, and return its id.

        So many of its answers to validation rows are kept as right ones, the first of them, and all to test rows.
        """
        lesson = self.bench.lesson(task, method, bert, seed, learning_rate=0.02, budget=BUDGET)
        stored = self.bench.workspace.trained_adapter(lesson, Silent(), "")
        fit = replace(stored.manifest.fit, validation=score)
        changed = {"fit": fit, "metrics": {"validation_accuracy": score}}
        write_manifest(stored.manifest.model_copy(update=changed), stored.folder)
        shares = {"validation": score, "test": 1.0} if stored.manifest.task.kind == "classification" else {}
        for split, share in shares.items():
            self._answer(self.bench.workspace.adapters.get(stored.id), split, share)
        return stored.id

    def _answer(self, stored: StoredAdapter, split: str, share: float) -> None:
        """Keep answers of an adapter, of which this share is right."""
        task = adapter_task(stored, self.bench.task_folders, "a test needs the rows", "nothing")
        gold = np.asarray(task.splits[split]["label"][:])
        right = np.arange(len(gold)) < round(share * len(gold))
        given = np.where(right, gold, (gold + 1) % len(task.labels))
        words = tuple(task.labels[label] for label in given)
        known, where = self.bench.workspace.evaluations, answers_key(stored, task, unchanged(task.labels), split)
        known.remove(where)
        keep_answers(known, where, task.splits[split]["id"][:], Answers(given, np.ones(len(given)), words))

    @property
    def tracker(self) -> Tracker:
        """What MLflow has of it."""
        return Tracker(tracking_uri(self.bench.workspace.root))
