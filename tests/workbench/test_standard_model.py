"""What is written as a model of transformers' own answers in its pipeline as the adapter does, or is refused."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    RobertaConfig,
    RobertaModel,
    pipeline,
)

from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.answering.hub_card import front_matter
from adapter_workbench.workbench.answering.merging import save_merged
from adapter_workbench.workbench.answering.standard_model import SMALL, require_form, save_standard, standard
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.stored_model import open_adapter
from tests.conftest import toy
from tests.tiny_models import WORDS, write_model
from tests.workbench.test_merging import stored

TEXTS = ["the cat often", "a plum very", "some horse this"]
CLOSE = {"rtol": 0.0, "atol": 1e-5}
SIZES: dict[str, Any] = {
    "vocab_size": len(WORDS) + 5,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
ARCHITECTURES = {  # what stands before the last layer: tanh in a pooler, tanh, GELU, ReLU
    "roberta": (RobertaModel, RobertaConfig(**SIZES | {"max_position_embeddings": 70, "pad_token_id": 0})),
    "electra": (ElectraModel, ElectraConfig(**SIZES, embedding_size=32)),
    "distilbert": (
        DistilBertModel,
        DistilBertConfig(
            vocab_size=len(WORDS) + 5, dim=32, n_layers=1, n_heads=4, hidden_dim=64, initializer_range=0.3
        ),
    ),
}


@pytest.fixture
def first(bert: Path) -> Backbone:
    """The tiny BERT, read at its first token."""
    return replace(open_backbone(str(bert)), pooling="first")


def written(adapter: Any, backbone: Backbone, form: Any, folder: Path) -> Path:
    folder.mkdir()
    save_standard(adapter, backbone, form, folder, front_matter(adapter.manifest, {}, merged=True, standard=True))
    return folder


def wanted(adapter: Any, backbone: Backbone) -> Any:
    rows = toy(adapter.manifest.task.kind).splits["test"]
    return rows["text"][:], torch.tensor(predict(open_adapter(adapter, backbone), rows, backbone.tokenizer, 16))


def logits(folder: Path, texts: list[str]) -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, loading_info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not loading_info["missing_keys"], "nothing in it is random"
    with torch.inference_mode():
        return model.eval()(**tokenizer(texts, padding=True, return_tensors="pt")).logits


@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_logits_are_those_of_predict_and_the_pipeline_names_the_labels(
    kind: str, first: Backbone, tmp_path: Path
) -> None:
    adapter = stored("lora", first, kind, tmp_path)
    folder = written(adapter, first, "sequence-classification", tmp_path / "out")
    texts, expected = wanted(adapter, first)
    torch.testing.assert_close(logits(folder, texts), expected, **CLOSE)
    answers = pipeline("text-classification", model=str(folder))(TEXTS, truncation=True)
    labels = adapter.manifest.task.labels
    assert {answer["label"] for answer in answers} <= {*labels}
    if kind == "classification":
        right = [labels[index] for index in logits(folder, TEXTS).argmax(dim=1)]
        assert [answer["label"] for answer in answers] == right


def test_a_regression_answers_in_its_own_unit(first: Backbone, tmp_path: Path) -> None:
    adapter = stored("lora", first, "regression", tmp_path)
    manifest = adapter.manifest
    scaled = replace(
        adapter,
        manifest=manifest.model_copy(update={"task": manifest.task.model_copy(update={"scale": (3.0, 2.0)})}),
    )
    folder = tmp_path / "out"
    folder.mkdir()
    save_standard(scaled, first, "sequence-classification", folder, "")
    texts, expected = wanted(adapter, first)
    torch.testing.assert_close(logits(folder, texts)[:, 0], 3.0 + 2.0 * expected.reshape(-1), rtol=0.0, atol=1e-4)
    (answer,) = pipeline("text-classification", model=str(folder))(texts[:1])
    assert answer["score"] == pytest.approx(3.0 + 2.0 * float(expected.reshape(-1)[0]), abs=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_linear_layer_goes_through_each_architectures_own_head(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    model_class, config = ARCHITECTURES[name]
    inputs = {"model_input_names": ["input_ids", "attention_mask"]}
    backbone = replace(open_backbone(str(write_model(folder, model_class, config, **inputs))), pooling="first")
    adapter = stored("full", backbone, "classification", tmp_path)
    out = written(adapter, backbone, "sequence-classification", tmp_path / "out")
    texts, expected = wanted(adapter, backbone)
    torch.testing.assert_close(logits(out, texts), expected, **CLOSE)


def test_tanh_is_the_identity_on_what_reaches_it() -> None:
    """(ε z)²/3 of a logit of 1000 is below the rounding of float32."""
    assert (1000 * SMALL) ** 2 / 3 < 2**-20
    z = torch.linspace(-100, 100, 1001)
    torch.testing.assert_close(torch.tanh(SMALL * z) / SMALL, z, rtol=1e-6, atol=0.0)


def test_tags_are_those_of_predict(backbone: Backbone, tmp_path: Path) -> None:
    adapter = stored("lora", backbone, "token-classification", tmp_path)
    folder = written(adapter, backbone, "token-classification", tmp_path / "out")
    model = open_adapter(adapter, backbone)
    batch = backbone.tokenizer(TEXTS, padding=True, return_tensors="pt")
    whole = AutoModelForTokenClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        torch.testing.assert_close(whole(**batch).logits, model(**batch)["logits"], **CLOSE)
    answers = pipeline("token-classification", model=str(folder))(TEXTS[0])
    assert {answer["entity"] for answer in answers} <= {*adapter.manifest.task.labels}


def test_the_mean_of_tokens_is_refused_where_the_class_reads_the_first(backbone: Backbone, tmp_path: Path) -> None:
    adapter = stored("lora", backbone, "classification", tmp_path)
    with pytest.raises(InputError, match=r"BertForSequenceClassification.*the mean of all tokens") as caught:
        standard(adapter, backbone, "sequence-classification")
    assert "Leave --as out" in str(caught.value.hint)


def test_a_class_without_a_bias_is_refused(llama: Path, tmp_path: Path) -> None:
    backbone = open_backbone(str(llama))
    adapter = stored("lora", backbone, "classification", tmp_path)
    with pytest.raises(InputError, match="LlamaForSequenceClassification"):
        standard(adapter, backbone, "sequence-classification")


@pytest.mark.parametrize(
    ("kind", "form", "fitting"),
    [
        ("classification", "causal-lm", "sequence-classification"),
        ("token-classification", "sequence-classification", "token-classification"),
    ],
)
def test_a_form_for_another_kind_of_task_is_refused(
    kind: str, form: str, fitting: str, backbone: Backbone, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=kind) as caught:
        require_form(stored("lora", backbone, kind, tmp_path).manifest, form)
    assert fitting in str(caught.value.hint)


def test_a_card_invites_a_pipeline_only_where_that_answers(first: Backbone, tmp_path: Path) -> None:
    adapter = stored("lora", first, "classification", tmp_path)
    assert "pipeline_tag: feature-extraction" in front_matter(adapter.manifest, {}, merged=True)
    plain = tmp_path / "plain"
    plain.mkdir()
    save_merged(adapter, first, plain, "")
    assert "pipeline(" not in (plain / "README.md").read_text(encoding="utf-8")
    folder = written(adapter, first, "sequence-classification", tmp_path / "out")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: text-classification" in card
    assert json.loads((folder / "config.json").read_text())["id2label"]["0"] == adapter.manifest.task.labels[0]


def test_its_cards_program_runs(first: Backbone, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adapter = stored("lora", first, "classification", tmp_path)
    folder = written(adapter, first, "sequence-classification", tmp_path / "out")
    program = (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(program, {"folder": str(folder), "backbone": str(folder), "texts": TEXTS})
    right = [adapter.manifest.task.labels[index] for index in logits(folder, TEXTS).argmax(dim=1)]
    printed = capsys.readouterr().out
    assert [answer["label"] for answer in ast.literal_eval(printed)] == right


def test_a_language_model_answers_in_its_pipeline(llama: Path, tmp_path: Path) -> None:
    backbone = open_backbone(str(llama))
    adapter = stored("lora", backbone, "causal-lm", tmp_path)
    folder = written(adapter, backbone, "causal-lm", tmp_path / "out")
    model, batch = open_adapter(adapter, backbone), backbone.tokenizer(TEXTS[:1], return_tensors="pt")
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    answer = pipeline("text-generation", model=str(folder))
    with torch.inference_mode():
        wanted = model.head(model.states(**inputs))
        torch.testing.assert_close(answer.model(**inputs).logits, wanted, **CLOSE)
    assert answer(TEXTS[0], max_new_tokens=2)[0]["generated_text"]
