"""Pooling row by row, the loss against torch's own, and the arithmetic that `auto` stands for."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.model import TaskModel

SIDES = ("left", "right")
LENGTHS = (5, 1, 3)


class Lookup(nn.Module):
    """A body whose states are an embedding of the ids: what belongs to padding is not zero."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(20, 4)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.table(input_ids))


def model_of(pooling: Literal["mean", "first", "last"], body: nn.Module | None = None) -> TaskModel:
    torch.manual_seed(1)
    return TaskModel(body or Lookup(), nn.Linear(4, 3), KINDS.get("classification"), pooling, "fp32").eval()


def batch_of(side: str) -> tuple[dict[str, Tensor], list[list[int]]]:
    generator = torch.Generator().manual_seed(2)
    rows = [torch.randint(1, 20, (length,), generator=generator).tolist() for length in LENGTHS]
    width = max(LENGTHS)
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        span = slice(0, len(row)) if side == "right" else slice(width - len(row), width)
        ids[index, span], mask[index, span] = torch.tensor(row), 1
    return {"input_ids": ids, "attention_mask": mask}, rows


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_pooling_sees_no_padding(pooling: Literal["mean", "last"], side: str) -> None:
    model = model_of(pooling)
    batch, rows = batch_of(side)
    table = model.body.table.weight  # type: ignore[union-attr]
    wanted = torch.stack([table[row].mean(0) if pooling == "mean" else table[row[-1]] for row in rows])  # type: ignore[index]
    torch.testing.assert_close(model.features(**batch), wanted)


def test_first_pooling_takes_the_first_token() -> None:
    model = model_of("first")
    batch, rows = batch_of("right")
    table = model.body.table.weight  # type: ignore[union-attr]
    assert torch.equal(model.features(**batch), table[[row[0] for row in rows]])  # type: ignore[index]


def test_first_pooling_takes_the_first_token_of_left_padded_rows() -> None:
    model = model_of("first")
    batch, rows = batch_of("left")
    table = model.body.table.weight  # type: ignore[union-attr]
    assert torch.equal(model.features(**batch), table[[row[0] for row in rows]])  # type: ignore[index]


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_a_padded_batch_gives_what_each_text_gives_alone(
    architecture: str, pooling: Literal["mean", "first", "last"], request: pytest.FixtureRequest
) -> None:
    backbone: Backbone = open_backbone(str(request.getfixturevalue(architecture)))
    model = TaskModel(backbone.load(), nn.Linear(32, 2), KINDS.get("classification"), pooling, "fp32").eval()
    texts = ["the cat very often", "dog", "a quite really apple pear plum"]
    with torch.inference_mode():
        batch = backbone.tokenizer(texts, padding=True, return_tensors="pt")
        alone = [model.features(**backbone.tokenizer([text], return_tensors="pt")) for text in texts]
        torch.testing.assert_close(model.features(**batch), torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_the_loss_is_the_mean_cross_entropy() -> None:
    model = model_of("mean")
    batch, rows = batch_of("right")
    labels = torch.tensor([2, 0, 1])
    output = model(labels=labels, **batch)
    log_probabilities = torch.log_softmax(model.head(model.features(**batch)), dim=1)
    by_hand = -sum(log_probabilities[index, label] for index, label in enumerate(labels)) / len(rows)
    torch.testing.assert_close(output["loss"], by_hand)
    torch.testing.assert_close(output["loss"], nn.functional.cross_entropy(output["logits"], labels))
    assert output["loss"].shape == ()
    assert output["logits"].shape == (3, 3)
    assert list(model(**batch)) == ["logits"]


def test_trainable_names_what_requires_a_gradient() -> None:
    model = model_of("mean")
    model.body.table.weight.requires_grad = False  # type: ignore[union-attr]
    assert list(model.trainable()) == ["head.weight", "head.bias"]


def test_bf16_is_the_body_s_arithmetic_alone(backbone: Backbone) -> None:
    seen = []

    class Head(nn.Linear):
        def forward(self, features: Tensor) -> Tensor:
            seen.append((features.dtype, torch.is_autocast_enabled("cpu")))
            return super().forward(features)

    logits = {}
    precision: Literal["fp32", "bf16"]
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        model = TaskModel(backbone.load(), Head(32, 2), KINDS.get("classification"), "mean", precision).eval()
        with torch.inference_mode():
            logits[precision] = model(**backbone.tokenizer(["the cat", "a plum"], padding=True, return_tensors="pt"))
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert seen == [(torch.float32, False)] * 2
    narrow, wide = logits["bf16"]["logits"], logits["fp32"]["logits"]
    assert not torch.equal(narrow, wide)
    torch.testing.assert_close(narrow, wide, rtol=0.05, atol=0.05)  # bfloat16 has 8 bits of mantissa


@pytest.fixture
def uncached() -> Iterator[None]:
    resolve_precision.cache_clear()
    yield
    resolve_precision.cache_clear()


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize(
    ("cuda", "native", "processor", "wanted"),
    [
        (False, False, {}, "fp32"),
        (False, False, {"avx512_bf16": True}, "bf16"),
        (False, False, {"amx_bf16": True, "avx512_bf16": False}, "bf16"),
        (False, False, {"avx512_bf16": True, "cpu_name": "AMD EPYC"}, "bf16"),
        (False, False, {"avx512_bf16": True, "amx_bf16": False, "cpu_name": "Intel Xeon"}, "fp32"),
        (False, False, {"avx512_bf16": True, "amx_bf16": True, "cpu_name": "Intel Xeon"}, "bf16"),
        (False, False, {"bf16": True}, "bf16"),
        (False, False, {"avx512_bf16": False, "avx2": True}, "fp32"),
        (True, True, {}, "bf16"),
        (True, False, {"avx512_bf16": True}, "fp32"),
    ],
)
def test_auto_means_bf16_where_it_is_native(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, native: bool, processor: dict[str, Any], wanted: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor, raising=False)
    assert resolve_precision("auto") == wanted
    assert resolve_precision("fp32") == "fp32"
    assert resolve_precision("bf16") == "bf16"
