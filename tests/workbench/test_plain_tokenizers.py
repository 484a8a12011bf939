"""Tokenizers of the usual class return token types, and may pad on the left, whatever their model is."""

from __future__ import annotations

from pathlib import Path

import torch
from datasets import Dataset

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training.fitting import Lesson, teach
from tests.conftest import make_task
from tests.elsewhere.architectures import write_base
from tests.tiny_models import FRUITS, SUBJECTS

TYPES = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
TEXTS = ["the cat", "a plum is this very one that the cow and the sheep often see", "one fish"]


def answers(folder: Path, texts: list[str]) -> torch.Tensor:
    """Return the logits (texts, 2) of a fresh BitFit's model."""
    backbone = open_backbone(str(folder))
    model = Adaptation(backbone, "bitfit", METHODS.get("bitfit").settings(), "fp32").fresh("classification", 2, 0)
    return torch.tensor(model.kind.answers(model, Dataset.from_dict({"text": texts}), backbone.tokenizer, 32))


def test_a_model_without_token_types_reads_none(tmp_path: Path) -> None:
    with_types, without = (write_base(tmp_path / name, "gpt2", **more) for name, more in (("a", TYPES), ("b", {})))
    assert torch.equal(answers(with_types, TEXTS), answers(without, TEXTS))
    kept = open_backbone(str(write_base(tmp_path / "albert", "albert", **TYPES))).tokenizer(["the cat"])
    assert "token_type_ids" in kept, "a model with token types reads them"


def test_a_model_that_would_fail_on_token_types_learns(tmp_path: Path) -> None:
    backbone = open_backbone(str(write_base(tmp_path / "distilbert", "distilbert", **TYPES)))
    adaptation = Adaptation(backbone, "bitfit", METHODS.get("bitfit").settings(), "fp32")
    budget = Budget(epochs=1, batch_size=8, max_length=16, precision="fp32")
    _, record = teach(Lesson(make_task("animals", SUBJECTS, FRUITS, 16), adaptation, budget, 0), Silent(), "test")
    assert record.best_epoch == 1


def test_a_text_has_the_same_answer_beside_a_longer_one(tmp_path: Path) -> None:
    """GPT-2 counts positions from the beginning of a row: padding on the left would move a text."""
    folder = write_base(tmp_path / "gpt2", "gpt2", padding_side="left", **TYPES)
    beside = answers(folder, TEXTS)
    for text, logits in zip(TEXTS, beside, strict=True):
        torch.testing.assert_close(answers(folder, [text])[0], logits, rtol=1e-4, atol=1e-4)
    assert open_backbone(str(folder)).tokenizer.padding_side == "left", "prompts are padded as the folder says"


def test_rotary_positions_leave_the_side_to_the_tokenizer(tmp_path: Path) -> None:
    """What is shipped pads on the left, and its stored numbers stay to the last bit."""
    backbone = open_backbone(str(write_base(tmp_path / "qwen2", "qwen2", padding_side="left")))
    model = Adaptation(backbone, "bitfit", METHODS.get("bitfit").settings(), "fp32").fresh("classification", 2, 0)
    rows = model.kind.questions(Dataset.from_dict({"text": TEXTS}), backbone.tokenizer, 32)
    assert model.kind.collate(backbone.tokenizer)(rows)["attention_mask"][0].tolist()[:2] == [0, 0]
