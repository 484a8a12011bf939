"""A stored adapter opens without the workbench: the program in its README, run elsewhere, gives the same logits.

The programs run in processes of their own that never import this project: one process for adapters of peft and of plain
transformers, one for those of the package adapters, and one for mixtures, which need both packages. The first two show
that neither package needs the other.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from transformers import BertConfig

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.evaluation import run
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.device import Precision
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS, possible_methods
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.patience import PATIENCE

pytestmark = pytest.mark.acceptance

TEXTS = [  # longest first, so that evaluation's batch has the same rows in the same places
    "some cat very quite really often that apple horse one",
    "the plum this some grape often a",
    "a very quite peach cow",
    "really one unknown",
    "the dog",
    "fig",
]
POSSIBLE, MIXED = possible_methods(BertConfig(), "classification"), ["lora+pfeiffer"]
CASES: list[tuple[str, str, Precision]] = [
    *((method, "bert", "fp32") for method in [*POSSIBLE, *MIXED]),
    ("lora", "llama", "fp32"),
    ("pfeiffer", "llama", "fp32"),
    ("head", "llama", "fp32"),
    ("lora", "bert with cls pooling", "fp32"),
    ("lora", "bert", "bf16"),
    ("pfeiffer", "bert", "bf16"),
    ("full", "bert", "bf16"),
]
GROUPS = {
    "peft and plain": ("peft", "prompts", "diff", "plain", "hypernetwork"),
    "adapters": ("adapters",),
    "mixture": ("mixture",),
}
RUNNER = """
import json, sys
import numpy

for job in json.load(open(sys.argv[1], encoding="utf-8")):
    space = {"backbone": job["backbone"], "folder": job["folder"], "texts": job["texts"]}
    exec(compile(job["program"], job["name"], "exec"), space)
    numpy.save(job["target"], space["logits"].numpy())
print("MODULES", json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@dataclass(frozen=True)
class Stored:
    """A stored adapter, the program in its README, and the logits that the workbench computes with it."""

    adapter: StoredAdapter
    backbone: Path

    @property
    def program(self) -> str:
        readme = (self.adapter.folder / "README.md").read_text(encoding="utf-8")
        assert readme.count("```python\n") == 1
        return readme.partition("```python\n")[2].partition("```")[0]

    @cached_property
    def logits(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        backbone = open_backbone(str(self.backbone))
        model = open_adapter(self.adapter, backbone)
        rows = Dataset.from_dict({"text": TEXTS, "label": [0] * len(TEXTS)})
        encoded = model.kind.encode(rows, backbone.tokenizer, self.adapter.manifest.budget.max_length)
        lengths = [len(row["input_ids"]) for row in encoded]
        assert lengths == sorted(lengths, reverse=True)
        assert len(set(lengths)) > 3, "there is padding in the batch"
        return run(model, encoded, backbone.tokenizer)


@pytest.fixture(scope="module")
def stored(
    bert: Path, llama: Path, task: Task, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str, Precision], Stored]:
    store, adapters = AdapterStore(tmp_path_factory.mktemp("store")), {}
    cls = shutil.copytree(bert, tmp_path_factory.mktemp("cls") / "bert")
    (cls / "1_Pooling").mkdir()
    (cls / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}', encoding="utf-8")
    folders = {"bert": bert, "llama": llama, "bert with cls pooling": cls}
    budget = Budget(train_examples=16, epochs=1, batch_size=8, max_length=10)
    for method, architecture, precision in CASES:
        folder = folders[architecture]
        adaptation = Adaptation(open_backbone(str(folder)), method, METHODS.get(method).settings(), precision)
        lesson = Lesson(task, adaptation, budget.model_copy(update={"precision": precision}), seed=0)
        adapters[method, architecture, precision] = Stored(learn(lesson, store, Silent(), "test"), folder)
    return adapters


@dataclass(frozen=True)
class Elsewhere:
    """What the programs of one group did in their process: lines printed, modules imported, logits saved."""

    chosen: dict[str, Stored]
    printed: list[str]
    modules: set[str]
    folder: Path


@pytest.fixture(scope="module")
def processes(
    stored: dict[tuple[str, str, Precision], Stored], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Elsewhere]:
    """Run each group's programs in a process; all groups side by side."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    started = {}
    for group, libraries in GROUPS.items():
        chosen = {entry.adapter.id: entry for entry in stored.values() if entry.adapter.manifest.library in libraries}
        folder = tmp_path_factory.mktemp(f"elsewhere-{group}")
        jobs = [
            {
                "name": name,
                "program": entry.program,
                "backbone": str(entry.backbone),
                "folder": str(entry.adapter.folder),
                "texts": TEXTS,
                "target": str(folder / f"{name}.npy"),
            }
            for name, entry in chosen.items()
        ]
        (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
        (folder / "runner.py").write_text(RUNNER, encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "runner.py", "jobs.json"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started[group] = (process, chosen, folder)
    results = {}
    for group, (process, chosen, folder) in started.items():
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        *printed, last = output.splitlines()
        results[group] = Elsewhere(chosen, printed, set(json.loads(last.removeprefix("MODULES "))), folder)
    return results


@pytest.fixture(params=list(GROUPS))
def elsewhere(request: pytest.FixtureRequest, processes: dict[str, Elsewhere]) -> Elsewhere:
    return processes[request.param]


def test_the_readme_s_program_gives_the_same_logits(elsewhere: Elsewhere) -> None:
    for name, entry in elsewhere.chosen.items():
        logits = np.load(elsewhere.folder / f"{name}.npy")
        assert logits.dtype == np.float32
        assert np.ptp(entry.logits[:, 0]) > 0, "the texts are told apart"
        np.testing.assert_array_equal(logits, entry.logits, err_msg=name)


def test_the_readme_s_program_names_the_labels(elsewhere: Elsewhere) -> None:
    labels = [entry.adapter.manifest.task.labels for entry in elsewhere.chosen.values()]
    answers = [entry.logits.argmax(axis=1) for entry in elsewhere.chosen.values()]
    wanted = [str([names[index] for index in indices]) for names, indices in zip(labels, answers, strict=True)]
    assert elsewhere.printed == wanted


def test_the_readme_s_program_imports_its_own_library_only(processes: dict[str, Elsewhere]) -> None:
    for group, own, foreign in (("peft and plain", "peft", "adapters"), ("adapters", "adapters", "peft")):
        assert "adapter_workbench" not in processes[group].modules
        assert foreign not in processes[group].modules
        assert own in processes[group].modules


def test_every_method_was_tried(stored: dict[tuple[str, str, Precision], Stored]) -> None:
    assert {method for method, architecture, _ in stored if architecture == "bert"} == {*POSSIBLE, *MIXED}
    assert len({entry.adapter.id for entry in stored.values()}) == len(CASES)
    assert {entry.adapter.manifest.backbone.pooling for entry in stored.values()} == {"mean", "first", "last"}


def test_a_stored_folder_holds_no_pickle(stored: dict[tuple[str, str, Precision], Stored]) -> None:
    names = {path.suffix for entry in stored.values() for path in entry.adapter.folder.rglob("*") if path.is_file()}
    assert names == {".json", ".md", ".safetensors"}


def test_training_changed_what_the_programs_say(stored: dict[tuple[str, str, Precision], Stored]) -> None:
    for (method, architecture, precision), entry in stored.items():
        if architecture == "bert" and method != "head" and precision == "fp32":
            assert not np.array_equal(entry.logits, stored["head", "bert", "fp32"].logits), method
    for method in ("lora", "pfeiffer", "full"):
        assert not np.array_equal(stored[method, "bert", "bf16"].logits, stored[method, "bert", "fp32"].logits)
