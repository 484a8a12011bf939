"""SetFit: its head is a pickle that is not read; of what three lines of Python make of it, answers are SetFit's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.answering.predictor import OpenedAdapter
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.methods.stored_model import backbone_of
from tests.conftest import Call
from tests.elsewhere.senders import TEXTS
from tests.neighbours.compared import Compared, keep
from tests.neighbours.environments import Environment, environment
from tests.streams import write_tasks

TRAIN = """
import json, random, sys
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, models
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression

base, folder, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
torch.manual_seed(0)
transformer = models.Transformer(base, max_seq_length=8)
modules = [transformer, models.Pooling(32, pooling_mode="mean")] + [models.Normalize()] * options["module"]
model = SetFitModel(
    model_body=SentenceTransformer(modules=modules, device="cpu"),
    model_head=LogisticRegression(C=100),
    labels=options["labels"],
    normalize_embeddings=options["option"],
)
texts = ["the cat", "a dog often", "some apple", "this plum", "very horse", "one pear really"] * 3
classes = options["classes"]
label = [classes[at % len(classes)] for at in range(len(texts))]
arguments = TrainingArguments(output_dir=folder + "-runs", max_steps=2, batch_size=4, report_to="none", seed=0)
rows = Dataset.from_dict({"text": texts, "label": label})
if options["trainer"]:
    Trainer(model=model, args=arguments, train_dataset=rows).train()
else:
    model.fit(texts, label, num_epochs=1)
model.save_pretrained(folder)
asked = json.loads(sys.argv[4])
answers = [str(getattr(answer, "item", lambda: answer)()) for answer in model.predict(asked)]
print("ANSWERS", json.dumps([model.predict_proba(asked).tolist(), answers]))
"""
LONG = "the cat often a dog very this apple some plum"  # more tokens than it reads
CASES: dict[str, dict[str, Any]] = {
    "two named": {"classes": [0, 1], "labels": ["no", "yes"], "trainer": True},
    "three texts": {"classes": ["x", "y", "z"], "labels": None},
    "a module that makes lengths 1": {"classes": [0, 1, 2], "labels": ["x", "y", "z"], "module": True},
    "an option that makes lengths 1": {"classes": [0, 1], "labels": ["no", "yes"], "option": True},
    "numbers": {"classes": [0, 1, 2], "labels": None},
}


def sent(bert: Path, folder: Path, case: str) -> tuple[Environment, torch.Tensor, list[str]]:
    """Let SetFit train and save; return its environment, and its probabilities and answers of all texts."""
    there = environment("setfit", "--no-deps", "setfit==1.2.0", "sentence-transformers==6.3.0", "evaluate")
    options = {"module": False, "option": False, "trainer": False, **CASES[case]}
    printed = there.run(TRAIN, bert, folder, json.dumps(options), json.dumps([*TEXTS, LONG]))
    shares, labels = json.loads(re.search(r"^ANSWERS (.+)$", printed, re.MULTILINE)[1])
    return there, torch.tensor(shares), labels


def converted(there: Environment, message: str) -> None:
    """Run the three lines that a message names."""
    lines = [line.strip() for line in message.splitlines()]
    begin = next(at for at, line in enumerate(lines) if line.startswith("import json, joblib"))
    there.run("\n".join(lines[begin : begin + 3]))


@pytest.mark.neighbour
@pytest.mark.parametrize("case", CASES)
def test_answers_are_those_of_setfit(case: str, bert: Path, call: Call) -> None:
    there, shares, labels = sent(bert, Path("sent"), case)
    code, _, err = call("adapters", "import", "sent", "--backbone", ITSELF, "--workspace", "ws")
    assert code == 2
    assert "SetFit's head (model_head.pkl) was not read: it is a pickle" in err
    converted(there, err)
    options = {"labels": ("p", "q", "r")} if case == "numbers" else {}
    bench = Workbench(Path("ws"), [])
    adapters = [bench.exchange.import_adapter(Path("sent"), backbone, **options) for backbone in (ITSELF, str(bert))]
    names = dict(zip("012", options.get("labels", ()), strict=False))
    for stored in adapters:
        assert stored.manifest.budget.max_length == 8
        answers = OpenedAdapter.open(stored, backbone_of(stored)).answers([*TEXTS, LONG])
        assert [answer.words for answer in answers] == [names.get(label, label) for label in labels]
        off = (torch.tensor([answer.confidence for answer in answers]) - shares.max(dim=1).values).abs().max()
        assert off < 1e-5
        version = there.version("setfit")
        keep(Compared("SetFit", version, "writes", f"probabilities, {case}", len(answers), float(off)))


@pytest.mark.neighbour
def test_a_head_that_was_not_read_is_said(bert: Path, call: Call) -> None:
    sent(bert, Path("sent"), "two named")
    write_tasks(Path())
    options = ("--backbone", ITSELF, "--workspace", "ws", "--task", "animals")
    code, out, err = call("adapters", "import", "sent", *options)
    assert code == 0, err
    assert "model_head.pkl" in err + out and "Another one is fitted" in err + out
