"""NaN and infinity in weights and in answers: each is one message, wherever weights are read and a model answers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from adapter_workbench.workbench.answering.evaluation import evaluate_split
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.backbone import finite_weights
from adapter_workbench.workbench.backbone.batching import require_scores
from adapter_workbench.workbench.backbone.finite_weights import not_finite, require_finite
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import AnswerError, InputError
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from tests.conftest import toy
from tests.messages import naming

TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2, torch.float8_e4m3fn]
LARGE = 3e38  # a float32 whose products are none


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_what_is_not_finite_is_found_in_every_type(kind: torch.dtype, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    least, most = torch.finfo(kind).min, torch.finfo(kind).max
    plain = torch.tensor([0.0, -0.0, 1.0, least, most, torch.finfo(kind).tiny], dtype=torch.float64).to(kind)
    values = {"nan": math.nan, "inf": math.inf, "negative": -math.inf}
    for name, value in values.items() if kind is not torch.float8_e4m3fn else [("nan", math.nan)]:
        bad = torch.tensor([1.0, value], dtype=torch.float64).to(kind)
        assert not torch.isfinite(bad.float()).all(), "the case is not what it should be"
        save_file({"a": plain, "b": torch.ones(3, dtype=torch.int64), f"{name}.weight": bad, "z": plain.clone()}, path)
        assert not_finite(path) == f"{name}.weight"
    save_file({"a": plain, "empty": torch.zeros(0, 3, dtype=kind), "whole": torch.full((2,), -1)}, path)
    assert not_finite(path) is None


@pytest.mark.parametrize("position", [0, 99, 100, 9_999])
def test_a_tensor_of_many_parts_is_looked_at_to_its_end(
    position: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finite_weights, "CHUNK", 400)
    tensor = torch.ones(100, 100)
    tensor.view(-1)[position] = math.nan
    save_file({"first": torch.ones(7), "second": tensor}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match=r"x\.safetensors: the tensor second holds NaN or infinity"):
        require_finite(tmp_path / "x.safetensors")


def test_a_mask_of_one_number_without_dimensions_is_no_weight(tmp_path: Path) -> None:
    save_file({"attn.masked_bias": torch.tensor(-math.inf)}, tmp_path / "x.safetensors")
    require_finite(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 64, (10**10).to_bytes(8, "little") + b"{}", b"\x02" + b"\x00" * 7 + b"[]"]
)
def test_what_is_no_such_file_is_one_message(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.safetensors: .*cannot be opened"):
        require_finite(tmp_path / "x.safetensors")


def test_scores_are_numbers_unless_a_label_cannot_be_the_answer() -> None:
    require_scores(np.array([[0.0, -np.inf], [1.0, 2.0]]))
    require_scores([np.zeros(0), np.zeros((2, 3))])
    with pytest.raises(AnswerError, match=r"^2 of 3 answers .*\(that to text 1 first\)"):
        require_scores(np.array([[0.0, np.nan], [1.0, 2.0], [-np.inf, -np.inf]]))
    with pytest.raises(AnswerError, match="answer is not a number"):
        require_scores(np.array([[np.inf, 0.0]]))


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression", "token-classification", "causal-lm"])
def test_answers_that_are_no_numbers_are_an_error_of_every_kind(
    kind: str, backbone: Backbone, llama: Path, copying: Task
) -> None:
    task = copying if kind == "causal-lm" else toy(kind)
    adaptation = Adaptation(
        open_backbone(str(llama)) if kind == "causal-lm" else backbone, "lora", METHODS.get("lora").settings(), "fp32"
    )
    model = adaptation.fresh(kind, len(task.labels), seed=0)
    for parameter in [*model.head.parameters(), *model.trainable().values()]:
        nn.init.constant_(parameter, LARGE)
    with pytest.raises(AnswerError, match=r"12 of 12|16 of 16"):
        evaluate_split(model, task, "validation", adaptation.backbone, 16)
    columns = {"centre": [0.0], "spread": [1.0]} if kind == "regression" else {}
    rows = rows_of(["the cat often"])
    rows.columns.update(columns)  # type: ignore[attr-defined]  # it stands in place of a Dataset
    with pytest.raises(AnswerError, match=naming("answer is not a number", "NaN or infinity\n")):
        model.kind.answers(model, rows, adaptation.backbone.tokenizer, 48)
