"""The program in an adapter's README answers as the workbench does, for every kind that has no other test of that."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.device import Precision
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import toy
from tests.elsewhere.architectures import write_base
from tests.workbench.test_plain_loading import TEXTS

CASES: list[tuple[str, str, str, Precision]] = [
    ("multilabel", "lora", "bert", "fp32"),
    ("multilabel", "pfeiffer", "bert", "bf16"),
    ("regression", "lora", "bert", "fp32"),
    ("regression", "lora", "t5", "fp32"),
    ("regression", "lora", "gpt2", "fp32"),
    ("token-classification", "lora", "gpt2", "fp32"),
    ("token-classification", "lora", "bert", "fp32"),
    ("token-classification", "pfeiffer", "bert", "fp32"),
    ("seq2seq", "lora", "t5", "fp32"),
    ("seq2seq", "prompt", "t5", "fp32"),
    ("seq2seq", "pfeiffer", "t5", "bf16"),
]
ELSEWHERE = {"classification": "test_plain_loading", "causal-lm": "test_causal_lm"}
RUNNER = """
import json, sys
for job in json.load(open(sys.argv[1], encoding="utf-8")):
    exec(compile(job["program"], "README.md", "exec"), {name: job[name] for name in ("backbone", "folder", "texts")})
assert "adapter_workbench" not in sys.modules
"""


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    """A GPT-2 whose tokenizer pads on the left and returns token types, which would be read as words."""
    types = ["input_ids", "token_type_ids", "attention_mask"]
    return write_base(tmp_path / "gpt2", "gpt2", padding_side="left", model_input_names=types)


def wanted(stored: StoredAdapter, backbone: Backbone) -> list[Any]:
    """What the workbench answers to the texts, as plain values."""
    model, task = open_adapter(stored, backbone), stored.manifest.task
    columns: dict[str, list[Any]] = {"text": TEXTS, "max_new_tokens": [task.max_new_tokens or 0] * len(TEXTS)}
    if task.scale:
        columns |= {name: [value] * len(TEXTS) for name, value in zip(("centre", "spread"), task.scale, strict=True)}
    rows = Dataset.from_dict(columns)
    answers = model.kind.answers(model, rows, backbone.tokenizer, stored.manifest.budget.max_length)
    if task.kind == "multilabel":
        return [[label for label, logit in zip(task.labels, row, strict=True) if logit > 0] for row in answers]
    if task.kind == "token-classification":
        return [
            [None if np.isnan(word).any() else task.labels[word.argmax()] for word in row.logits] for row in answers
        ]
    return [answer.text for answer in answers] if task.kind == "seq2seq" else answers.tolist()


@pytest.mark.acceptance
def test_the_readme_s_programs_answer_the_same(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store, jobs, expected = AdapterStore(tmp_path / "store"), [], []
    for kind, method, folder, precision in CASES:
        backbone = open_backbone(str(request.getfixturevalue(folder)))
        adaptation = Adaptation(backbone, method, METHODS.get(method).settings(learning_rate=2e-2), precision)
        budget = Budget(epochs=8, batch_size=8, max_length=10, precision=precision)
        stored = learn(Lesson(toy(kind), adaptation, budget, seed=0), store, Silent(), "test")
        readme = (stored.folder / "README.md").read_text(encoding="utf-8")
        program = readme.partition("```python\n")[2].partition("```")[0]
        jobs.append({"program": program, "backbone": str(backbone.folder), "folder": str(stored.folder)})
        expected.append(wanted(stored, backbone))
        assert kind == "seq2seq" or len({str(answer) for answer in expected[-1]}) > 1, (
            f"{kind}: the texts are told apart"
        )
    (tmp_path / "jobs.json").write_text(json.dumps([{**job, "texts": TEXTS} for job in jobs]), encoding="utf-8")
    (tmp_path / "runner.py").write_text(RUNNER, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "runner.py", "jobs.json"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [ast.literal_eval(line) for line in done.stdout.splitlines()] == expected


def test_the_program_of_every_kind_was_tried() -> None:
    assert {kind for kind, *_ in CASES} | set(ELSEWHERE) == set(KINDS.names())
    assert all((Path(__file__).parent / f"{name}.py").is_file() for name in ELSEWHERE.values())
