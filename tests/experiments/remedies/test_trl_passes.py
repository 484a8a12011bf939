"""Remedies that add to forward passes, in TRL's own trainers: in bf16, with checkpointing and accumulation."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench import AGEM, DERPlusPlus, LwF, TreeLoRA
from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.experiments.remedies.test_trl import STATE, loss_of, trained

pytestmark = pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
MODES: list[dict[str, Any]] = [{}, {"bf16": True}, {"gradient_checkpointing": True, "gradient_accumulation_steps": 3}]


@pytest.mark.parametrize("more", MODES)
def test_sft_goes_on_saying_what_it_said(more: dict[str, Any], llama: Path, tmp_path: Path) -> None:
    more = {**more, "learning_rate": 2e-2, "num_train_epochs": 12}  # the first task is learned
    lost = []
    for name, callbacks in (("held", lambda: [LwF(strength=5.0)]), ("free", list)):
        model = trained("SFT", llama, None, tmp_path / "first", " apple", [AGEM()], **more)
        model = trained("SFT", llama, model, tmp_path / name, " grape", callbacks(), **more)
        lost.append(loss_of(model, tmp_path / "first" / STATE))
    assert lost[0] < 0.9 * lost[1]


@pytest.mark.parametrize("more", MODES)
def test_sft_is_drawn_towards_the_earlier_lora(more: dict[str, Any], llama: Path, tmp_path: Path) -> None:
    """Σ ⟨A, A₁⟩ over modules."""
    state = tmp_path / "first" / STATE
    products = []
    for name, callbacks in (("drawn", lambda: [TreeLoRA(state, strength=50.0)]), ("free", list)):
        model = trained("SFT", llama, None, tmp_path / "first", " apple", [TreeLoRA()], **more)
        model = trained("SFT", llama, model, tmp_path / name, " grape", callbacks(), **more)
        first = read_state(state, "tree-lora").tensors["rows"]
        products.append(sum(float(pair.a.flatten() @ first[name][0]) for name, pair in pairs(model).items()))
    assert products[0] > 1.02 * products[1]


def test_what_trl_does_not_give_is_refused(llama: Path, tmp_path: Path) -> None:
    """DPO has its own loss, and of a language model there are too many logits to keep."""
    with pytest.raises(InputError, match="the model's own loss"):
        trained("DPO", llama, None, tmp_path / "dpo", " apple", [LwF()])
    with pytest.raises(InputError, match="not one of several labels"):
        trained("SFT", llama, None, tmp_path / "sft", " apple", [DERPlusPlus()])
