"""A merged model is transformers' own and says what the adapted one says; what cannot be merged is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, BertConfig

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.answering.merging import mergeable, merged_model, save_merged
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods import card
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE, Adaptation
from adapter_workbench.workbench.methods.methods import METHODS, possible_methods
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import describe, keep, open_adapter
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import toy
from tests.sampled import first_of_each

BUDGET = Budget(max_length=16, batch_size=8, precision="fp32")
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
POSSIBLE = [name for name in possible_methods(BertConfig(), "classification") if mergeable(name)]


def stored(method: str, backbone: Backbone, kind: str, folder: Path) -> StoredAdapter:
    """Return an adapter whose every trained number was moved, as if by a fit."""
    task, settings = toy(kind), METHODS.get(method).settings()
    adaptation = Adaptation(backbone, method, settings, "fp32")
    model = adaptation.fresh(kind, len(task.labels), seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    record = FitRecord((), 0, 0.5, 0, 0.0, None, 1)
    manifest = describe(f"{task.name}-{method}", task, adaptation, BUDGET, 0, record)
    return keep(model, adaptation, manifest, AdapterStore(folder / "adapters"))


def logits(model: TaskModel, backbone: Backbone) -> Any:
    return torch.tensor(predict(model, toy("classification").splits["test"], backbone.tokenizer, BUDGET.max_length))


def merged_alike(method: str) -> tuple[Any, ...]:
    """Return what determines how an update is merged: who does it, and what it is an update of."""
    card = METHODS.get(method)
    return card.library, card.reads_weights, card.adds_to_weights, card.reshapes, card.trains_body


@pytest.mark.parametrize("method", first_of_each(sorted(POSSIBLE, key=lambda name: name != "lora"), merged_alike))
def test_logits_of_the_merged_model_are_those_of_the_adapted_one(
    method: str, backbone: Backbone, tmp_path: Path
) -> None:
    adapter = stored(method, backbone, "classification", tmp_path)
    wanted = logits(open_adapter(adapter, backbone), backbone)
    model = merged_model(adapter, backbone)
    assert not [name for name in model.body.state_dict() if "lora_" in name or "base_layer" in name]
    torch.testing.assert_close(logits(model, backbone), wanted, **TOLERANCE)
    bare = TaskModel(backbone.load(), model.head, model.kind, model.pooling, "fp32").eval()
    if method != "head":
        assert not torch.allclose(logits(bare, backbone), wanted, **TOLERANCE), "the update does something"


def test_a_merged_folder_opens_with_transformers_and_its_card_s_program_alone(
    backbone: Backbone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = stored("lora", backbone, "classification", tmp_path)
    folder = tmp_path / "merged"
    folder.mkdir()
    save_merged(adapter, backbone, folder, "---\ntags: []\n---\n")
    assert {path.name for path in folder.iterdir()} >= {"config.json", "model.safetensors", HEAD_FILE, "tokenizer.json"}
    assert not (folder / "adapter_config.json").exists()
    again = TaskModel(AutoModel.from_pretrained(folder), open_adapter(adapter, backbone).head, *_read(adapter)).eval()
    model = open_adapter(adapter, backbone)
    torch.testing.assert_close(logits(again, backbone), logits(model, backbone), **TOLERANCE)
    assert open_backbone(str(folder)).fingerprint != backbone.fingerprint, "it can be a backbone itself"

    program = (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    texts = ["the cat often", "a plum very"]
    exec(program, {"backbone": str(folder), "folder": str(folder), "texts": texts})
    rows = Dataset.from_dict({"id": ["0", "1"], "text": texts})
    answers = model.kind.say(model.kind.answers(model, rows, backbone.tokenizer, 16), adapter.manifest.task.labels)
    assert capsys.readouterr().out.strip() == str([label for label, _ in answers])


def _read(adapter: StoredAdapter) -> tuple[Any, Any, Any]:
    model_kind = card.KINDS.get(adapter.manifest.task.kind)
    return model_kind, adapter.manifest.backbone.pooling, adapter.manifest.precision


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize(("kind", "family"), [("causal-lm", "llama"), ("seq2seq", "t5")])
def test_a_merged_language_model_is_whole(
    method: str, kind: str, family: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Full fine-tuning trains the embeddings, which a T5 ties to the output layer: that stays as it was."""
    backbone = open_backbone(str(request.getfixturevalue(family)))
    adapter = stored(method, backbone, kind, tmp_path)
    folder = tmp_path / "merged"
    folder.mkdir()
    save_merged(adapter, backbone, folder, "")
    assert not (folder / HEAD_FILE).exists()
    loader: Any = AutoModelForCausalLM if kind == "causal-lm" else AutoModelForSeq2SeqLM
    lm, loading_info = loader.from_pretrained(folder, output_loading_info=True)
    assert not loading_info["missing_keys"]
    assert not loading_info["unexpected_keys"]
    model = open_adapter(adapter, backbone)
    ids = torch.tensor([[5, 7, 9, 11], [6, 8, 10, 12]])
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if kind == "seq2seq":
        batch["decoder_input_ids"] = ids.flip(1)
    with torch.inference_mode():
        wanted = model.head(model.states(**batch))
        torch.testing.assert_close(lm.eval()(**batch).logits, wanted, **TOLERANCE)


@pytest.mark.parametrize("method", ["pfeiffer", "prefix", "prompt", "loreft", "lora+bitfit"])
def test_what_is_no_update_of_weights_is_refused_by_name(method: str, backbone: Backbone, tmp_path: Path) -> None:
    adapter = stored(method, backbone, "classification", tmp_path)
    with pytest.raises(InputError, match=f"{adapter.id.replace('+', '.')} cannot be merged: {method[:4]}") as caught:
        merged_model(adapter, backbone)
    assert "Leave --merge out" in str(caught.value)
    assert "lora" in str(caught.value.hint)


def test_few_bits_are_not_merged_into(backbone: Backbone, tmp_path: Path) -> None:
    adapter = stored("lora", backbone, "classification", tmp_path)
    reference = adapter.manifest.backbone.model_copy(update={"quantization": "nf4"})
    packed = StoredAdapter(adapter.manifest.model_copy(update={"backbone": reference}), adapter.folder)
    with pytest.raises(InputError, match="kept in nf4"):
        merged_model(packed, backbone)
