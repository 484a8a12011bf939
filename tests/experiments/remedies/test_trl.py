"""Remedies in TRL's own trainers: what was learned is held; where importance cannot be read, that is said at once."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from adapter_workbench import AGEM, EWC, OSF, InfLoRA, L2ToStart
from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.conftest import SUBJECTS
from tests.elsewhere.trainings import QUICK

pytestmark = pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")
STATE = "forgetting-state"


def trained(kind: str, llama: Path, model: Any, folder: Path, answer: str, callbacks: list[Any], **more: Any) -> Any:
    """Train with TRL's ``kind`` of trainer so that each prompt is answered by ``answer``; return the model."""
    import trl
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    lora = {} if model else {"peft_config": LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")}
    answers = {"completion": answer} if kind == "SFT" else {"chosen": answer, "rejected": " pear"}
    options = {
        "bf16": False,
        "max_length": 32,
        "num_train_epochs": 4,
        **QUICK,
        "per_device_train_batch_size": 2,
        **more,
    }
    trainer = getattr(trl, f"{kind}Trainer")(
        model=model or AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32),
        args=getattr(trl, f"{kind}Config")(output_dir=str(folder), **options),
        train_dataset=Dataset.from_list([{"prompt": f"the {word}", **answers} for word in SUBJECTS]),
        processing_class=open_backbone(str(llama)).tokenizer,
        callbacks=callbacks,
        **lora,
    )
    trainer.train()
    return trainer.model


def weighed(model: Any, state: Path) -> float:
    """Return Σ F (θ − θ*)²."""
    tensors, weights = read_state(state, "ewc").tensors, dict(model.named_parameters())
    parts = [
        (F * (weights[name].detach() - tensors["weights"][name]) ** 2).sum()
        for name, F in tensors["importance"].items()
    ]
    return float(torch.stack(parts).sum())


@pytest.mark.parametrize(
    "more", [{}, {"bf16": True}, {"gradient_checkpointing": True, "gradient_accumulation_steps": 3}]
)
def test_sft_holds_what_the_first_training_needs(more: dict[str, Any], llama: Path, tmp_path: Path) -> None:
    state = tmp_path / "first" / STATE
    moved = []
    for name, callbacks in (("held", lambda: [EWC(state, strength=1e4)]), ("free", list)):
        model = trained("SFT", llama, None, tmp_path / "first", " apple", [EWC()], **more)
        model = trained("SFT", llama, model, tmp_path / name, " grape", callbacks(), **more)
        moved.append(weighed(model, state))
    assert 0 < moved[0] < 0.1 * moved[1]


@torch.no_grad()
def loss_of(model: Any, state: Path) -> float:
    """Return the mean loss on the rows that were kept."""
    model.eval()
    rows, losses = read_state(state, "a-gem").rows, []
    for row in rows:
        ids = row["input_ids"]
        masked = [one if held else -100 for one, held in zip(ids, row.get("completion_mask", ids), strict=True)]
        labels = row.get("labels", masked)  # which of the two a row has depends on TRL's version
        losses.append(model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss)
    return float(torch.stack(losses).mean())


@pytest.mark.parametrize(
    "more", [{}, {"bf16": True}, {"gradient_checkpointing": True, "gradient_accumulation_steps": 3}]
)
def test_sft_steps_do_not_turn_against_kept_rows(more: dict[str, Any], llama: Path, tmp_path: Path) -> None:
    state = tmp_path / "first" / STATE
    more = {**more, "learning_rate": 2e-2, "num_train_epochs": 12}  # the first task is learned
    lost = []
    for name, callbacks in (("held", lambda: [AGEM(state)]), ("free", list)):
        model = trained("SFT", llama, None, tmp_path / "first", " apple", [AGEM()], **more)
        model = trained("SFT", llama, model, tmp_path / name, " grape", callbacks(), **more)
        lost.append(loss_of(model, state))
    assert lost[0] < 0.9 * lost[1]


def test_dpo_has_no_labels_to_read_importance_from(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batches have none"):
        trained("DPO", llama, None, tmp_path / "out", " apple", [EWC()])
    assert trained("DPO", llama, None, tmp_path / "out", " apple", [L2ToStart(strength=1.0)])
    assert read_state(tmp_path / "out" / STATE, "l2-to-start").tensors["weights"]


def whole(llama: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)


@pytest.mark.parametrize("kind", ["SFT", "DPO"])
def test_first_directions_stay_in_a_whole_model(kind: str, llama: Path, tmp_path: Path) -> None:
    before = dict(whole(llama).named_parameters())
    model = trained(kind, llama, whole(llama), tmp_path / "out", " apple", [OSF(preserved=0.5)])
    for name, weight in model.named_parameters():
        old, new = before[name].detach(), weight.detach()
        if not name.endswith("proj.weight"):
            assert torch.equal(new, old), name
            continue
        u, s, v = torch.linalg.svd(old, full_matrices=False)
        rank = len(s) // 2
        torch.testing.assert_close(u[:, :rank].T @ new, s[:rank, None] * v[:rank], atol=1e-4, rtol=0)
        assert (new - old).norm() > 1e-4, f"{name} learns along the other directions"


@pytest.mark.parametrize("more", [{}, {"bf16": True}, {"gradient_checkpointing": True}])
def test_a_new_lora_reads_what_is_unused_in_sft(more: dict[str, Any], llama: Path, tmp_path: Path) -> None:
    model = trained("SFT", llama, None, tmp_path / "1", " apple", [InfLoRA(threshold=0.5)], **more)
    begun = [InfLoRA(tmp_path / "1" / STATE, threshold=0.5)]
    model = trained("SFT", llama, None, tmp_path / "2", " grape", begun, **more)
    tensors, layers = read_state(tmp_path / "1" / STATE, "inflora").tensors, pairs(model)
    assert layers.keys() == tensors["bases"].keys()
    for name, pair in layers.items():
        basis = tensors["bases"][name]
        used = torch.eye(len(basis)) - basis @ basis.T if tensors["free"][name] else basis @ basis.T
        assert used.trace() > 0.9
        assert pair.b.abs().max() > 1e-4
        assert (pair.a.float() @ used).abs().max() < (1e-2 if pair.a.dtype == torch.bfloat16 else 1e-5)
