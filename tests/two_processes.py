"""Train, store, open and test in each of two processes, and in one more life of both: what the first process finds.

    python -m tests.two_processes BERT LLAMA FOLDER

Started twice, with the environment that a launcher gives to each; prints one JSON document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

torch.set_num_threads(1)

from adapter_workbench.workbench.adapters import store
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.evaluation import evaluate, evaluate_split
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.device import Precision
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, best_epoch, learn
from tests.conftest import toy

CASES = {  # name → architecture, method, kind, precision
    "full": ("bert", "full", "classification", "fp32"),
    "generating": ("llama", "full", "causal-lm", "fp32"),
    "head": ("bert", "head", "classification", "fp32"),  # the body runs in each step, in one process only once
    "lora": ("bert", "lora", "classification", "fp32"),
    "prompt": ("bert", "prompt", "classification", "fp32"),
}
BATCH = 16  # examples in a step, of all processes together


class Cut(BaseException):
    """Not an Exception, like KeyboardInterrupt."""


class Scissors(Silent):
    """Cuts the fit after five steps."""

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        def advance(step: int, epoch: float, loss: float) -> None:
            if step == 5:
                raise Cut

        yield advance


def lesson(folder: Path, method: str, kind: str, precision: Precision, **more: Any) -> Lesson:
    """Return a lesson of two epochs, three steps each; the rate is such that each step counts."""
    settings = METHODS.get(method).settings(learning_rate=1e-3)
    size = BATCH // processes.count()
    budget = Budget(epochs=2, batch_size=size, max_length=16, precision=precision, **more)
    return Lesson(toy(kind), Adaptation(open_backbone(str(folder)), method, settings, precision), budget, 0)


def learned(folder: Path, into: Path, method: str, kind: str, precision: Precision) -> dict[str, Any]:
    """Return what training, storing, opening and testing comes to in this process."""
    wanted, dealt = lesson(folder, method, kind, precision), []
    backbone, task = wanted.adaptation.backbone, wanted.task

    def seen(model: Any, *rest: Any) -> Any:
        dealt.append(all(type(parameter).__name__ == "DTensor" for parameter in model.parameters()))
        return evaluate_split(model, *rest)

    with patch.object(best_epoch, "evaluate_split", seen), patch.object(store, "write_manifest", counted := Counted()):
        stored = learn(wanted, AdapterStore(into), Silent(), "test")
    model = open_adapter(stored, backbone)
    evaluation = evaluate(model, task.splits["test"], len(task.labels), backbone.tokenizer, 16)
    return {
        "folder": str(stored.folder),
        "steps": stored.manifest.fit.steps,
        "losses": [epoch.train_loss for epoch in stored.manifest.fit.epochs],
        "likelihood": float(evaluation.outcomes["log_likelihood"].mean()),
        "answers": evaluation.logits_sha256,
        "dealt": dealt,
        "written": counted.calls,
    }


class Counted:
    """Writes a manifest, and counts."""

    calls = 0

    def __call__(self, *given: Any) -> None:
        self.calls += 1
        write(*given)


write = store.write_manifest


def resumed(folder: Path, into: Path) -> bool:
    """Return whether a fit that is cut in its second epoch, and goes on, comes to the files of one that is not."""
    wanted = lesson(folder, "lora", "classification", "bf16", checkpointing="on")
    straight = learn(wanted, AdapterStore(into / "straight"), Silent(), "test")
    with patch.object(best_epoch, "CHECKPOINT_SECONDS", 0.0):
        try:
            learn(wanted, AdapterStore(into / "cut"), Scissors(), "test", into / "scratch")
        except Cut:
            assert list((into / "scratch").glob("checkpoint-3/best_epoch.json"))
        again = learn(wanted, AdapterStore(into / "cut"), Silent(), "test", into / "scratch")
    return again.manifest.files == straight.manifest.files


if __name__ == "__main__":
    folders = dict(zip(("bert", "llama"), map(Path, sys.argv[1:3]), strict=True))
    root = Path(sys.argv[3])
    report: dict[str, Any] = {
        name: learned(folders[folder], root / name, method, kind, precision)
        for name, (folder, method, kind, precision) in CASES.items()
    }
    sys.stdout.write(json.dumps(report | {"resumed": resumed(folders["bert"], root / "resumed")}))
