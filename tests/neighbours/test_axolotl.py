"""axolotl: a LoRA that it trained on a processor says what it says in axolotl's environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.elsewhere.senders import TEXTS
from tests.neighbours.compared import Compared, keep
from tests.neighbours.environments import environment
from tests.neighbours.language_models import largest, said_here
from tests.neighbours.test_mergekit import SAY

REQUIREMENTS = (  # of its pins those that a training on a processor imports
    *("--no-deps", "axolotl==0.19.0", "transformers==5.16.1", "tokenizers==0.23.1", "huggingface_hub==1.17.0"),
    *("peft==0.20.0", "trl==1.9.0", "accelerate==1.13.0", "datasets==4.8.4", "optimum==1.16.2", "schedulefree==1.4.1"),
    *("antlr4-python3-runtime==4.13.2", "posthog==6.7.11", "mistral-common==1.11.5", "langdetect==1.0.9", "fire"),
    *("axolotl-contribs-lgpl==0.0.7", "axolotl-contribs-mit==0.0.6", "immutabledict==4.2.0", "python-dotenv==1.0.1"),
    *(
        "typing-extensions==4.15.0",
        "addict",
        "art",
        "colorama",
        "termcolor",
        "einops",
        "zstandard",
        "backoff",
        "distro",
    ),
    *("numba", "llvmlite", "fastcore", "triton", "wandb", "pydantic_extra_types", "pycountry", "kernels<0.18"),
)
TRAIN = """
import sys
from axolotl.cli.train import do_cli

do_cli(sys.argv[1])
"""


@pytest.mark.neighbour
def test_it_says_what_its_program_says(llama: Path, tmp_path: Path) -> None:
    there = environment("axolotl", *REQUIREMENTS)
    rows = [json.dumps({"instruction": text, "input": "", "output": "cat"}) for text in TEXTS]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    settings = {
        "base_model": str(llama),
        "datasets": [{"path": str(tmp_path / "rows.jsonl"), "ds_type": "json", "type": "alpaca"}],
        "dataset_prepared_path": str(tmp_path / "prepared"),
        "output_dir": str(tmp_path / "sent"),
        "adapter": "lora",
        "lora_r": 4,
        "lora_alpha": 8,
        "lora_target_linear": True,
        "sequence_len": 64,
        "micro_batch_size": 2,
        "gradient_accumulation_steps": 1,
        "max_steps": 3,
        "learning_rate": 0.02,
        "optimizer": "adamw_torch",
        "lr_scheduler": "constant",
        "val_set_size": 0,
        **dict.fromkeys(("bf16", "fp16", "tf32", "flash_attention", "sample_packing"), False),
        **dict.fromkeys(("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel"), False),  # for graphics cards
        "special_tokens": {"pad_token": "[PAD]"},
    }
    (tmp_path / "config.yml").write_text(json.dumps(settings))
    there.run(TRAIN, tmp_path / "config.yml", AXOLOTL_DO_NOT_TRACK="1")
    there.run(SAY, llama, tmp_path / "sent", tmp_path / "said.safetensors", json.dumps(TEXTS))
    said = load_file(tmp_path / "said.safetensors")["logits"]
    here = said_here(tmp_path / "sent", llama, tmp_path / "ws")
    off = largest(here, said)
    assert off < 1e-4
    keep(Compared("axolotl", there.version("axolotl"), "writes", "logits, a LoRA of SFT", here.numel(), off))
