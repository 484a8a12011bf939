"""TRL: what SFT, DPO and GRPO leave in a folder comes in, as a LoRA and as a whole model, and says what theirs says."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.backbone.names import open_backbone
from tests.elsewhere.senders import TEXTS
from tests.elsewhere.test_trainers import STEP
from tests.neighbours.compared import Compared, installed, keep
from tests.neighbours.language_models import largest, said_by, said_here

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed"),
]
ROWS = {
    "SFT": [{"prompt": text, "completion": " cat"} for text in TEXTS],
    "DPO": [{"prompt": text, "chosen": " apple", "rejected": " pear"} for text in TEXTS],
    "GRPO": [{"prompt": text} for text in TEXTS],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "SFT": {"max_length": 32},
    "DPO": {"max_length": 32},
    "GRPO": {"num_generations": 2, "max_completion_length": 4},
}


def likes_cats(completions: list[str], **_: Any) -> list[float]:
    """Reward completions with cats, and a little those that are long: rewards have to differ."""
    return [float(completion.count("cat")) + len(completion) / 100 for completion in completions]


def trained(algorithm: str, whole: bool, llama: Path, folder: Path) -> Any:
    """Train for one step, save as TRL does, and return the trainer's model."""
    import trl
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    options = {**STEP, **OPTIONS[algorithm]}
    arguments = getattr(trl, f"{algorithm}Config")(output_dir=str(folder), learning_rate=0.02, bf16=False, **options)
    trainer = getattr(trl, f"{algorithm}Trainer")(
        model=AutoModelForCausalLM.from_pretrained(llama),
        args=arguments,
        train_dataset=Dataset.from_list(ROWS[algorithm]),
        processing_class=open_backbone(str(llama)).tokenizer,
        peft_config=None if whole else LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
        **({"reward_funcs": likes_cats} if algorithm == "GRPO" else {}),
    )
    trainer.train()
    trainer.save_model()
    return trainer.model


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("algorithm", OPTIONS)
def test_it_says_what_the_trainers_model_says(algorithm: str, whole: bool, llama: Path, tmp_path: Path) -> None:
    model = trained(algorithm, whole, llama, tmp_path / "sent")
    there = said_by(model, open_backbone(str(llama)).tokenizer)
    untrained = said_by(open_plain(llama), open_backbone(str(llama)).tokenizer)
    assert largest(there, untrained) > 1e-4, "else nothing is shown"
    here = said_here(tmp_path / "sent", ITSELF if whole else llama, tmp_path / "ws")
    off = largest(here, there)
    assert off < 1e-5
    form = "a whole model" if whole else "a LoRA"
    keep(Compared("TRL", installed("trl"), "writes", f"logits, {form} of {algorithm}", here.numel(), off))


def open_plain(base: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base)
