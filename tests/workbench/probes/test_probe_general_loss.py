"""General loss against what transformers' own language models say of the same texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from adapter_workbench.workbench.backbone.batching import IGNORED
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.probes import ProbeContext
from adapter_workbench.workbench.probes.general_loss import PROBE, encode
from tests.tiny_models import WORDS, write_model

ContextOf = Callable[..., ProbeContext]
TEXT = ("the cat very often a dog", "apple pear some quite lemon", "one this that really bird fish cow")


@pytest.fixture(scope="module")
def causal(llama: Path) -> Backbone:
    return open_backbone(str(llama))


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert"])
def masked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A masked language model whose checkpoint has the output layer."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    sizes: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    if request.param == "distilbert":
        sizes = {"n_layers": 2, "n_heads": 4, "hidden_dim": 64}
    width = {"dim": 32} if request.param == "distilbert" else {"hidden_size": 32}
    config = AutoConfig.for_model(
        request.param, vocab_size=len(WORDS) + 5, max_position_embeddings=64, pad_token_id=0, **sizes, **width
    )
    folder = write_model(tmp_path_factory.mktemp(request.param), AutoModelForMaskedLM.from_config, config)  # type: ignore[arg-type]
    return open_backbone(str(folder))


def _bare(backbone: Backbone) -> TaskModel:
    return TaskModel(backbone.load(), nn.Linear(32, 2), KINDS.get("classification"), backbone.pooling, "fp32").eval()


def _moved(backbone: Backbone, method: str) -> TaskModel:
    model = Adaptation(backbone, method, METHODS.get(method).settings(), "fp32").fresh("classification", 2, 0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.body.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def _weighted(lm: Any, rows: list[tuple[Any, Any]]) -> float:
    """Return the mean over all tokens of transformers' own loss, text by text."""
    counts = [int((labels != IGNORED).sum()) for _, labels in rows]
    with torch.no_grad():
        losses = [float(lm(input_ids=ids, labels=labels).loss) for ids, labels in rows]
    return sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)


def test_causal_loss_is_transformers_own(causal: Backbone, task: Task, context_of: ContextOf) -> None:
    from transformers import AutoModelForCausalLM

    lm = AutoModelForCausalLM.from_pretrained(causal.folder).eval()
    ids = [causal.tokenizer(text, return_tensors="pt")["input_ids"] for text in TEXT]
    wanted = []
    for tokens in ids:
        labels = tokens.clone()
        labels[:, 0] = IGNORED  # nothing predicts it; it does not count
        wanted.append((tokens, labels))
    model = _bare(causal)
    values = PROBE.measure(model, context_of(model, task, causal, text=TEXT))
    assert values["loss"] == pytest.approx(_weighted(lm, wanted), rel=1e-5)
    assert values["increase"] == 0


def test_masked_loss_is_transformers_own(masked: Backbone, task: Task, context_of: ContextOf) -> None:
    from transformers import AutoModelForMaskedLM

    lm = AutoModelForMaskedLM.from_pretrained(masked.folder).eval()
    rows = encode(masked, masked.tokenizer, TEXT, 16, seed=0)
    wanted = [(torch.tensor([row["input_ids"]]), torch.tensor([row["labels"]])) for row in rows]
    model = _bare(masked)
    values = PROBE.measure(model, context_of(model, task, masked, text=TEXT))
    assert values["loss"] == pytest.approx(_weighted(lm, wanted), rel=1e-5)
    assert values["increase"] == 0


@pytest.mark.parametrize("method", ["full", "lora", "pfeiffer"])
def test_the_adapted_body_is_read(
    method: str, masked: Backbone, causal: Backbone, task: Task, context_of: ContextOf
) -> None:
    for backbone in (masked, causal):
        if method == "full" or backbone.config.model_type in {"bert", "llama"}:
            model = _moved(backbone, method)
            values = PROBE.measure(model, context_of(model, task, backbone))
            bare = PROBE.measure(_bare(backbone), context_of(_bare(backbone), task, backbone))
            assert abs(values["increase"]) > 1e-4
            assert values["loss"] - values["increase"] == pytest.approx(bare["loss"])


def test_masks_are_15_percent_seeded_and_never_special(masked: Backbone) -> None:
    tokenizer, text = masked.tokenizer, (" ".join(WORDS[:20]), "cat")
    rows = encode(masked, masked.tokenizer, text, 30, seed=1)
    plain = [tokenizer(sentence)["input_ids"] for sentence in text]
    for row, ids, count in zip(rows, plain, (3, 1), strict=True):
        predicted = [index for index, label in enumerate(row["labels"]) if label != IGNORED]
        assert len(predicted) == count
        assert all(row["labels"][index] == ids[index] and 0 < index < len(ids) - 1 for index in predicted)
        assert all(row["input_ids"][index] == tokenizer.mask_token_id for index in predicted)
        rest = set(range(len(ids))) - set(predicted)
        assert all(row["input_ids"][index] == ids[index] for index in rest)
    assert encode(masked, masked.tokenizer, text, 30, seed=1) == rows
    assert any(encode(masked, masked.tokenizer, text, 30, seed=seed) != rows for seed in range(2, 5))


def test_a_backbone_without_an_output_layer_is_refused(backbone: Backbone, causal: Backbone, masked: Backbone) -> None:
    state = torch.random.get_rng_state()
    assert "output layer" in str(PROBE.objection(backbone, "classification"))
    assert torch.equal(state, torch.random.get_rng_state())
    assert PROBE.objection(causal, "classification") is None
    assert PROBE.objection(masked, "classification") is None


@pytest.mark.parametrize("text", [(), ("",)])
def test_no_text_says_nothing(text: tuple[str, ...], masked: Backbone, task: Task, context_of: ContextOf) -> None:
    model = _bare(masked)
    assert PROBE.measure(model, context_of(model, task, masked, text=text)) == {}
