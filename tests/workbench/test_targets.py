"""``targets`` that a method cannot adapt are told when a fit is planned; AdaLoRA fits with all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.backbone.architecture import attention_matrices
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS, trained_methods
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training.fitting import Lesson, teach
from tests.conftest import Call, make_task
from tests.elsewhere.architectures import write_base
from tests.elsewhere.senders import assert_comes_back
from tests.sampled import waiting
from tests.test_contracts import TINY
from tests.tiny_models import FRUITS, SUBJECTS

TARGETED = [name for name in trained_methods() if "targets" in METHODS.get(name).settings.model_fields]
WITH_EMBEDDINGS = {"lora", "dora", "rslora", "oft"}
STEP = Budget(epochs=1, batch_size=64, max_length=16, precision="fp32")  # more rows than there are: one step


def adapting(backbone: Backbone, method: str, *targets: str, **settings: Any) -> Adaptation:
    tiny = {name: value for name, value in TINY.get(method, {}).items() if name != "targets"}
    return Adaptation(backbone, method, METHODS.get(method).settings(targets=targets, **(tiny | settings)), "fp32")


@pytest.mark.parametrize("method", [waiting(name, unless=name in {*WITH_EMBEDDINGS, "adalora"}) for name in TARGETED])
def test_modules_that_cannot_be_adapted_are_named(method: str, backbone: Backbone) -> None:
    def objection(*targets: str) -> str:
        adaptation = adapting(backbone, method, *targets)
        return adaptation.card.objection(adaptation.settings, backbone.config, "classification") or ""

    assert "embeddings.LayerNorm, a module LayerNorm" in objection("query", "LayerNorm")
    if method not in WITH_EMBEDDINGS:
        assert "embeddings.word_embeddings, a module Embedding, which is not a linear layer" in objection(
            "query", "word_embeddings"
        )
        return
    model = adapting(backbone, method, "word_embeddings").fresh("classification", 2, 0)
    model.body(**backbone.tokenizer(["the cat"], return_tensors="pt")).last_hidden_state[..., 0].sum().backward()
    learned = [part for name, part in model.body.named_parameters() if part.requires_grad and "word_embed" in name]
    assert any(part.grad is not None and part.grad.any() for part in learned)


@pytest.mark.parametrize(
    ("targets", "settings", "budget", "rank"),
    [
        (("query",), {"rank": 12}, {"batch_size": 8}, 12),  # nothing is to be cut
        (("query", "value", "dense"), {}, {"batch_size": 8}, 8),  # `dense` is a layer of the pooler, too
        (("query",), {}, {}, 12),  # one step, before whose end no importance was measured
    ],
)
def test_adalora_fits(
    targets: tuple[str, ...], settings: dict[str, int], budget: dict[str, int], rank: int, backbone: Backbone
) -> None:
    adaptation = adapting(backbone, "adalora", *targets, **settings)
    lesson = Lesson(make_task("animals", SUBJECTS, FRUITS, 64), adaptation, STEP.model_copy(update=budget), seed=0)
    model, record = teach(lesson, Silent(), "test")
    assert record.steps == (8 if budget else 1)
    ranks = {name: len(part) for name, part in model.body.named_parameters() if ".lora_E." in name}
    assert sum(ranks.values()) == rank * len(ranks)
    assert not any("pooler" in name for name in ranks)


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of an architecture for which peft names no targets."""
    return write_base(tmp_path_factory.mktemp("mpnet"), "mpnet")


def test_where_peft_names_no_targets_all_of_attention_s_matrices_are(mpnet: Path, tmp_path: Path) -> None:
    backbone = open_backbone(str(mpnet))
    expected = [f"encoder.layer.{layer}.attention.attn.{name}" for layer in (0, 1) for name in "qkvo"]
    assert attention_matrices(backbone.config) == expected
    adaptation, reader = (Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32") for _ in range(2))
    body = adaptation.fresh("classification", 2, 0).body
    assert [*lora.layers(body)] == expected
    assert_comes_back(adaptation, reader, body, "classification", tmp_path)


@pytest.mark.parametrize("method", [waiting(name, unless=name in {"dora", "adalora", "vera"}) for name in TARGETED])
def test_so_are_those_of_all_methods_with_targets(method: str, mpnet: Path) -> None:
    backbone = open_backbone(str(mpnet))
    tiny = {name: value for name, value in TINY.get(method, {}).items() if name != "targets"}
    adaptation = Adaptation(backbone, method, METHODS.get(method).settings(**tiny), "fp32")
    if why := adaptation.card.objection(adaptation.settings, backbone.config, "classification"):
        assert "no matrix there has a name" not in why
        return
    body = adaptation.fresh("classification", 2, 0).body
    body(input_ids=torch.tensor([[2, 5, 6, 3]]))


@pytest.mark.parametrize("method", TARGETED)
def test_where_peft_names_some_nothing_changes(method: str, backbone: Backbone) -> None:
    """Adapters of before have them in their stored configs as None, or as peft filled them in."""
    card = METHODS.get(method)
    tiny = {name: value for name, value in TINY.get(method, {}).items() if name != "targets"}
    made = card.configure(card.settings(**tiny), backbone.config)
    wanted = getattr(made, "lora", made)
    assert wanted.target_modules is None
    known = {*PEFT_TYPE_TO_TUNER_MAPPING["LORA"].target_module_mapping}
    unknown_to_it = known - {*PEFT_TYPE_TO_TUNER_MAPPING[wanted.peft_type].target_module_mapping}
    for architecture in sorted(known & {"electra", "mistral", "bert", "llama", "gpt2"}):
        config = type(backbone.config)()
        config.model_type = architecture
        made = card.configure(card.settings(**tiny), config)
        assert (getattr(made, "lora", made).target_modules is None) == (architecture not in unknown_to_it), architecture


def test_train_says_which_these_are(mpnet: Path, bert: Path, tmp_path: Path, call: Call) -> None:
    (tmp_path / "tasks").mkdir()
    rows = "".join(f"the {text} {n},{label}\n" for n in range(30) for text, label in (("cat", "a"), ("plum", "b")))
    (tmp_path / "tasks" / "t.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    (tmp_path / "tasks" / "t.yaml").write_text(
        "description: t\nfiles: {data: t.csv}\ncolumns: {text: text, label: label}\n"
    )
    fit = ["--method", "lora", "--set", "budget.epochs=1", "--set", "budget.max_length=16"]
    code, _, err = call("train", "t", "--backbone", str(mpnet), *fit, "--json")
    assert code == 0, err
    said = " ".join(err.split())
    assert "peft names no targets for mpnet, so that all 8 matrices of attention (q, k, v, o) are adapted" in said
    code, _, err = call("train", "t", "--backbone", str(bert), *fit)
    assert code == 0, err
    assert "names no targets" not in err
