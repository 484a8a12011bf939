"""A workspace with two LoRAs that plain peft wrote, and one that was trained in it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from peft import LoraConfig, TaskType
from torch import Tensor

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.machine.listener import Silent
from tests.conftest import Call
from tests.elsewhere.senders import sent_by_peft
from tests.streams import write_tasks

SEQ = TaskType.SEQ_CLS
BUDGET = {"epochs": 2, "batch_size": 16, "max_length": 16, "precision": "fp32"}


@dataclass(frozen=True)
class Shop:
    """Task files, what was sent, and the workspace.

    ``few`` is on query and value and has its labels in another order than its task; ``wide`` is on all linear layers,
    the pooler included; both have BERT's pooler as a layer before the last one. ``own`` was trained here. ``logits``
    are those of the senders' own programs, by id.
    """

    folder: Path
    few: str
    wide: str
    own: str
    logits: Mapping[str, Tensor]

    @classmethod
    def opened(cls, folder: Path, bert: Path) -> Shop:
        """Send, import and train."""
        bench = Workbench(folder / ".workbench", [write_tasks(folder)])
        few_lora = LoraConfig(task_type=SEQ, r=4, lora_alpha=8)
        wide_lora = LoraConfig(task_type=SEQ, r=2, target_modules="all-linear")
        logits = [
            sent_by_peft(bert, folder / name, config, num_labels=2)()
            for name, config in (("few", few_lora), ("wide", wide_lora))
        ]
        few = bench.exchange.import_adapter(folder / "few", str(bert), task="animals", labels=("second", "first"))
        wide = bench.exchange.import_adapter(folder / "wide", str(bert), task="halves", labels=("first", "second"))
        lesson = bench.lesson("fruits", "lora", str(bert), learning_rate=0.02, budget=BUDGET)
        own = bench.workspace.trained_adapter(lesson, Silent(), "")
        return cls(folder, few.id, wide.id, own.id, dict(zip((few.id, wide.id), logits, strict=True)))

    @property
    def bench(self) -> Workbench:
        return Workbench(self.folder / ".workbench", [self.folder / "tasks"])

    def copied(self, folder: Path) -> Shop:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return replace(self, folder=folder)


def one_line(text: str) -> str:
    """Return a text in one line."""
    return " ".join(text.split())


def done(call: Call, *arguments: str) -> str:
    """Run a command that has to succeed, and return what it prints."""
    code, out, err = call(*arguments)
    assert code == 0, err
    return out
