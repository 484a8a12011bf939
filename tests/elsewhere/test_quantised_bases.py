"""Adapters of peft that were trained on a base model in few bits (QLoRA) come in on that base model in as many bits."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.quantisation import keep_as_packed
from tests.elsewhere.senders import drawn
from tests.neighbours.language_models import largest, said_by, said_here
from tests.tiny_models import write_llama

pytestmark = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
PACKED: dict[str, dict[str, Any]] = {
    "nf4": {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": torch.float32,
    },
    "int8": {"load_in_8bit": True},
}


@pytest.fixture(scope="session")
def wide_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a LLaMA whose matrices all have 64 rows or more, as one kernel of bitsandbytes asks for."""
    folder = tmp_path_factory.mktemp("llama") / "base"
    return write_llama(folder, hidden_size=64, num_key_value_heads=4, intermediate_size=128)


def packed(base: Path, bits: str) -> Any:
    """Return a language model as its sender packs it: transformers leaves the output layer as it is."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    options = {"quantization_config": BitsAndBytesConfig(**PACKED[bits]), "dtype": torch.float32}
    return keep_as_packed(AutoModelForCausalLM.from_pretrained(base, **options))


def qlora_off_by(base: Path, bits: str, folder: Path) -> tuple[float, int]:
    """Let peft write a QLoRA into ``folder``; return how far what came in is off, and of how many logits.

    The sender computes as on any processor: on those with AVX512-BF16, bitsandbytes would round to 16 bits.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    torch.manual_seed(0)
    lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    model: Any = get_peft_model(prepare_model_for_kbit_training(packed(base, bits)), lora)
    drawn(model, spread=0.05)
    model.save_pretrained(folder / "sent")
    tokenizer = open_backbone(str(base)).tokenizer
    there = said_by(keep_as_packed(model), tokenizer)
    assert largest(there, said_by(packed(base, bits), tokenizer)) > 1e-3, "else nothing is shown"
    here = said_here(folder / "sent", f"{base}:{bits}", folder / "ws")
    return largest(here, there), here.numel()


@pytest.mark.parametrize("bits", PACKED)
def test_a_qlora_says_what_its_program_says(bits: str, wide_llama: Path, tmp_path: Path) -> None:
    off, _ = qlora_off_by(wide_llama, bits, tmp_path)
    assert off < 1e-5
