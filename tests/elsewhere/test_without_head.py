"""An adapter that comes without a head: one is fitted here on a task's training examples, if a task is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, TaskType, get_peft_model
from torch import Tensor

from adapter_workbench.experiments.answers import head_fitting
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.fusion.target.fitted_head import fit_head
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call
from tests.elsewhere.senders import TEXTS, drawn
from tests.streams import write_tasks


def sent_without_head(base: Path, folder: Path) -> torch.nn.Module:
    """Write what plain peft writes of a LoRA on the transformer alone, and return its model."""
    from transformers import AutoModel

    model = get_peft_model(AutoModel.from_pretrained(base), LoraConfig(task_type=TaskType.FEATURE_EXTRACTION, r=2))
    drawn(model)
    model.save_pretrained(folder)
    return model.eval()


def write_task(folder: Path, name: str, kind: str, column: str, answers: list[str]) -> None:
    """Write a task of a kind with texts of two words."""
    texts = [f"{first} {second} {third}" for first in FILLERS for second in FRUITS for third in SUBJECTS[:3]]
    rows = [f"{text},{answers[number % len(answers)]}" for number, text in enumerate(texts)]
    (folder / f"{name}.csv").write_text("\n".join([f"text,{column}", *rows]), encoding="utf-8")
    (folder / f"{name}.yaml").write_text(
        f"description: made in tests\nkind: {kind}\nfiles: {{data: {name}.csv}}\n"
        f"columns: {{text: text, {column}: {column}}}\n",
        encoding="utf-8",
    )


def pooled(model: torch.nn.Module, base: Path, texts: list[str]) -> Tensor:
    """Return the mean of each text's token states, as the sender's program computes them."""
    batch = open_backbone(str(base)).tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1).float()
    return (states * mask).sum(dim=1) / mask.sum(dim=1)


def test_head_is_fitted_on_the_senders_own_features(bert: Path, tmp_path: Path) -> None:
    program = sent_without_head(bert, tmp_path / "sent")
    folder = write_tasks(tmp_path)
    stored = Workbench(tmp_path / "ws", [folder]).exchange.import_adapter(tmp_path / "sent", str(bert), task="animals")
    task = registry.load(registry.find("animals", [folder]))
    seen, unseen = (
        (pooled(program, bert, task.splits[name]["text"][:]).numpy(), task.splits[name]["label"][:])
        for name in ("train", "validation")
    )
    wanted = fit_head(*seen, *unseen, 2)
    backbone = open_backbone(str(bert))
    model = open_adapter(stored, backbone)
    with torch.inference_mode():
        logits = model(**tokenise(backbone.tokenizer, TEXTS, padding=True, return_tensors="pt"))["logits"]
        torch.testing.assert_close(logits, wanted.head(pooled(program, bert, TEXTS)), rtol=1e-4, atol=1e-4)
    elsewhere = stored.manifest.elsewhere
    assert elsewhere and elsewhere.head
    assert (elsewhere.head.task, elsewhere.head.fingerprint) == ("animals", task.fingerprint)
    assert (elsewhere.head.examples, elsewhere.head.validation) == (64, wanted.validation)
    assert stored.manifest.task.labels == task.labels
    assert stored.manifest.task.fingerprint is None  # what the body was trained on stays unknown


def test_nothing_counts_before_it_was_tested(bert: Path, tmp_path: Path, call: Call) -> None:
    sent_without_head(bert, tmp_path / "sent")
    write_tasks(tmp_path)
    code, out, err = call(
        *("adapters", "import", "sent", "--task", "animals", "--backbone", str(bert)),
        *("--workspace", "ws", "--tasks", "tasks"),
    )
    assert (code, "64 training examples of animals" in out) == (0, True), err
    assert "no score that counts" in out
    store = Workbench(tmp_path / "ws", []).workspace
    [adapter] = store.adapters.ids()
    assert store.score(store.adapters.get(adapter).manifest) is None
    readme = (store.adapters.get(adapter).folder / "README.md").read_text(encoding="utf-8")
    assert "64 training examples of animals" in readme


def test_message_says_what_to_do(bert: Path, tmp_path: Path, call: Call) -> None:
    sent_without_head(bert, tmp_path / "sent")
    code, _, err = call("adapters", "import", "sent", "--backbone", str(bert), "--workspace", "ws")
    assert code == 2
    assert "no head" in err and "--task NAME" in err
    assert not (tmp_path / "ws" / "adapters").exists()


@pytest.mark.parametrize("base", ["llama", "t5"])
def test_language_models_answer_with_the_backbones_own(
    base: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model: Path = request.getfixturevalue(base)
    sent_without_head(model, tmp_path / "sent")
    kind = {"llama": "causal-lm", "t5": "seq2seq"}[base]
    write_task(tmp_path, "words", kind, "answer", SUBJECTS)
    bench = Workbench(tmp_path / "ws", [tmp_path])
    stored = bench.exchange.import_adapter(tmp_path / "sent", str(model), task="words")
    assert not (stored.folder / HEAD_FILE).exists()
    assert stored.manifest.elsewhere and stored.manifest.elsewhere.head is None
    answers = bench.predict(stored.id, ["the cat"], backbone=str(model))
    assert len(answers) == 1


def test_other_kinds_are_refused(bert: Path, tmp_path: Path) -> None:
    sent_without_head(bert, tmp_path / "sent")
    write_task(tmp_path, "marks", "regression", "label", ["1.5", "2.5"])
    with pytest.raises(InputError, match="for regression tasks \\(marks\\) none is fitted"):
        Workbench(tmp_path / "ws", [tmp_path]).exchange.import_adapter(tmp_path / "sent", str(bert), task="marks")


def test_a_head_is_fitted_on_so_many_examples_at_most(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_fitting, "DRAWN", Budget(train_examples=20, validation_examples=10))
    sent_without_head(bert, tmp_path / "sent")
    bench = Workbench(tmp_path / "ws", [write_tasks(tmp_path)])
    elsewhere = bench.exchange.import_adapter(tmp_path / "sent", str(bert), task="animals").manifest.elsewhere
    assert elsewhere and elsewhere.head and elsewhere.head.examples == 20
