"""Heads that the package adapters saves beside an adapter, its own and those of classes of transformers."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.workbench.answering.elsewhere.form import CLOSE
from adapter_workbench.workbench.answering.elsewhere.head_form import difference, difference_of_batches
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.extras import installed_version
from tests.conftest import NOT_INSTALLED
from tests.elsewhere.package_adapters import LABELS, classified, config_of, sent_by_adapters, sent_from_class, taken
from tests.elsewhere.senders import TEXTS, answers

if not installed_version("adapters"):
    pytest.skip(NOT_INSTALLED, allow_module_level=True)

HEADS: Mapping[str, Callable[[Any], None]] = {
    "one layer": classified(layers=1),
    "three layers": classified(layers=3, activation_function="relu"),
    "pooler": classified(layers=1, use_pooler=True),
    "pooler and layers": classified(layers=2, use_pooler=True, activation_function="gelu_new"),
    "multilabel": classified(multilabel=True),
    "tagging": lambda model: model.add_tagging_head("sent", num_labels=3, id2label=LABELS),
    "tagging, two layers": lambda model: model.add_tagging_head("sent", num_labels=3, layers=2, id2label=LABELS),
    "regression": lambda model: model.add_classification_head("sent", num_labels=1),
}


@pytest.mark.parametrize("case", HEADS)
def test_heads_of_the_package(case: str, bert: Path, tmp_path: Path) -> None:
    from adapters import AutoAdapterModel

    wanted = sent_by_adapters(bert, tmp_path / "sent", config_of("seq_bn"), HEADS[case])()
    stored, logits = taken(tmp_path / "sent", bert)
    model = AutoAdapterModel.from_pretrained(bert)
    model.load_adapter(str(stored.folder), set_active=True, use_safetensors=True)
    assert torch.equal(answers(model, bert), wanted), "the package opens what is stored with its head"
    kinds = {"multilabel": "multilabel", "tagging": "token-classification", "regression": "regression"}
    assert stored.manifest.task.kind == kinds.get(case.partition(",")[0], "classification")
    off = difference(logits, wanted)
    assert off <= CLOSE if "pooler and layers" in case else off == 0  # its tanh of gelu_new is written out


def test_head_without_a_bias(bert: Path, tmp_path: Path) -> None:
    def head(model: Any) -> None:
        from adapters.heads import ClassificationHead

        model.add_prediction_head(ClassificationHead(model, "sent", 3, 1, None, id2label=LABELS, bias=False))

    wanted = sent_by_adapters(bert, tmp_path / "sent", config_of("seq_bn"), head)()
    assert torch.equal(taken(tmp_path / "sent", bert)[1], wanted)


def test_heads_whose_names_begin_alike(bert: Path, tmp_path: Path) -> None:
    """The package saves ``heads.sent-2`` with ``heads.sent``."""

    def heads(model: Any) -> None:
        classified()(model)
        model.add_classification_head("sent-2", num_labels=2)
        model.active_head = "sent"

    wanted = sent_by_adapters(bert, tmp_path / "sent", config_of("seq_bn"), heads)()
    assert torch.equal(taken(tmp_path / "sent", bert)[1], wanted)


STATIC = {
    "AutoModelForSequenceClassification": "classification",
    "AutoModelForTokenClassification": "token-classification",
}


@pytest.mark.parametrize("loader", STATIC)
def test_heads_of_transformers_classes(loader: str, bert: Path, tmp_path: Path) -> None:
    wanted = sent_from_class(
        bert, tmp_path / "sent", loader, id2label=LABELS, label2id={name: k for k, name in LABELS.items()}
    )
    stored, logits = taken(tmp_path / "sent", bert)
    assert (stored.manifest.task.kind, stored.manifest.task.labels) == (STATIC[loader], ("x", "y", "z"))
    assert torch.equal(logits, wanted)


def test_label_order_is_that_of_the_task_here(bert: Path, tmp_path: Path) -> None:
    from tests.streams import write_tasks

    def head(model: Any) -> None:
        model.add_classification_head("sent", num_labels=2, id2label={0: "second", 1: "first"})

    write_tasks(tmp_path)
    wanted = sent_by_adapters(bert, tmp_path / "tasks" / "sent", config_of("seq_bn"), head)()
    stored, logits = taken(tmp_path / "tasks" / "sent", bert, task="animals")
    assert stored.manifest.task.labels == ("first", "second")
    assert torch.equal(logits, wanted[:, [1, 0]])


def test_language_model_keeps_the_backbones_output_layer(llama: Path, tmp_path: Path) -> None:
    wanted = sent_from_class(llama, tmp_path / "sent", "AutoModelForCausalLM", "double_seq_bn")
    stored, logits = taken(tmp_path / "sent", llama)
    assert stored.manifest.task.kind == "causal-lm"
    assert not (stored.folder / "head.safetensors").exists()
    assert torch.equal(logits, wanted)


def test_output_layer_of_its_own_is_refused(llama: Path, tmp_path: Path) -> None:
    def head(model: Any) -> None:
        model.add_causal_lm_head("sent", layers=1)

    sent_by_adapters(llama, tmp_path / "sent", config_of("seq_bn"), head)
    with pytest.raises(InputError, match="its head was trained"):
        taken(tmp_path / "sent", llama)


def test_classifier_on_a_language_model(llama: Path, tmp_path: Path) -> None:
    wanted = sent_by_adapters(llama, tmp_path / "sent", config_of("par_bn"), classified())()
    stored, logits = taken(tmp_path / "sent", llama)
    assert stored.manifest.head and stored.manifest.head.pooling == "last"
    assert torch.equal(logits, wanted)


def test_encoder_decoder(t5: Path, tmp_path: Path) -> None:
    sent_from_class(t5, tmp_path / "sent", "AutoModelForSeq2SeqLM")
    assert taken(tmp_path / "sent", t5)[0].manifest.task.kind == "seq2seq"


@pytest.mark.parametrize("case", ["three layers", "pooler", "tagging, two layers"])
def test_readme_program_answers_the_same(
    case: str, bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent_by_adapters(bert, tmp_path / "sent", config_of("seq_bn"), HEADS[case])
    stored, logits = taken(tmp_path / "sent", bert)
    readme = (stored.folder / "README.md").read_text(encoding="utf-8")
    program = tmp_path / "program.py"
    program.write_text(readme.partition("```python\n")[2].partition("```")[0], encoding="utf-8")
    capsys.readouterr()
    runpy.run_path(str(program), {"backbone": str(bert), "folder": str(stored.folder), "texts": TEXTS})
    answers = ast.literal_eval(capsys.readouterr().out)
    named = [[LABELS[index] for index in row] for row in logits.argmax(dim=-1).reshape(len(TEXTS), -1).tolist()]
    if "tagging" in case:  # a word of the tiny models is one token, behind [CLS]
        assert answers == [row[1 : len(text.split()) + 1] for row, text in zip(named, TEXTS, strict=True)]
    else:
        assert answers == [label for (label,) in named]


def test_rounding_is_measured_by_the_largest_logit_of_all_texts() -> None:
    wanted = [torch.tensor([[16.0, 0.5]]), torch.tensor([[0.1, -0.4]])]
    answers = [wanted[0], wanted[1] + 8e-7]
    assert difference_of_batches(answers, wanted) < CLOSE < difference(answers[1], wanted[1])
    assert not difference_of_batches([wanted[0] * torch.nan, wanted[1]], wanted) <= CLOSE, "no number is near none"
