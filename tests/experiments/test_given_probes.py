"""Probes of checkpoints: a whole model that somebody trained is read with its own tokenizer, under its own layers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.experiments.studies.stream.plan.measurable import general_text
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.backbone.names import open_backbone
from tests.checkpoints import LLAMA, saved
from tests.conftest import FRUITS, SUBJECTS
from tests.runs import stream_of


def swapped(folder: Path, *words: str) -> list[int]:
    """Give words of a tokenizer each other's numbers, the first the last one's; return those that they had."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    numbers = [vocabulary[word] for word in words]
    vocabulary.update(zip(words, reversed(numbers), strict=True))
    path.write_text(json.dumps(tokenizer))
    return numbers


def loss_of(folder: Path, reader: Path, texts: tuple[str, ...]) -> float:
    """Return the mean loss of a token as transformers' own model has it."""
    from transformers import AutoModelForCausalLM

    lm, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), open_backbone(str(reader)).tokenizer
    total, count = 0.0, 0
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            total += float(lm(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    return total / count


def probed(folder: Path, base: Path, tuned: Path) -> list[Any]:
    """Return the probes of the base model and of a whole model; a fitted head answers the only task."""
    report = stream_of(
        folder,
        base,
        {"mine": f"{{strategy: given, stages: [{base}, {tuned}]}}"},
        *("seeds=[0]", "reference=mine", "learned=before", "tasks=[animals]"),
        *("probes=[general-loss, cka]", "probe_text=halves", "probe_examples=8"),
    )
    assert report.record.ways["mine"] == {"animals": "fitted head"}
    return [outcome.probes for outcome in report.record.outcomes]


@pytest.fixture
def tied(llama: Path, tmp_path: Path) -> Path:
    """A language model whose output layer is its embeddings."""
    return saved("LlamaForCausalLM", llama, tmp_path / "base", tie_word_embeddings=True, **LLAMA)


def test_the_loss_on_general_text_is_that_of_the_whole_model(tied: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tied)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.randn_like(model.model.embed_tokens.weight))
    model.save_pretrained(tmp_path / "tuned")
    first, last = (probes["general-loss"] for probes in probed(tmp_path, tied, tmp_path / "tuned"))
    texts = general_text(registry.load(registry.find("halves", [tmp_path / "tasks"])), 8)
    losses = [loss_of(folder, tied, texts) for folder in (tied, tmp_path / "tuned")]
    assert first == {"loss": pytest.approx(losses[0], rel=1e-5), "increase": 0}
    assert last == {
        "loss": pytest.approx(losses[1], rel=1e-5),
        "increase": pytest.approx(losses[1] - losses[0], rel=1e-4),
    }


def test_a_model_with_its_words_in_another_order_is_the_same_model(tied: Path, tmp_path: Path) -> None:
    """Words have each other's numbers, in the tokenizer beside it and in its embeddings."""
    from transformers import AutoModelForCausalLM

    shutil.copytree(tied, tmp_path / "tuned")
    numbers = swapped(tmp_path / "tuned", *SUBJECTS, *FRUITS)
    model = AutoModelForCausalLM.from_pretrained(tied)
    with torch.no_grad():
        rows = model.model.embed_tokens.weight
        rows[numbers] = rows[numbers[::-1]].clone()
    model.save_pretrained(tmp_path / "tuned")
    first, last = probed(tmp_path, tied, tmp_path / "tuned")
    assert [*last["cka"].values()] == pytest.approx([1.0] * 2)
    assert last["general-loss"]["loss"] == pytest.approx(first["general-loss"]["loss"], rel=1e-5)
