"""LLaMA-Factory: a LoRA that it trained, and the model that it merged, say what it says itself when it loads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from tests.elsewhere.senders import TEXTS
from tests.neighbours.compared import Compared, keep
from tests.neighbours.environments import Environment, environment
from tests.neighbours.language_models import largest, said_here, said_of
from tests.tiny_models import WORDS

REQUIREMENTS = (
    *("--no-deps", "llamafactory==0.9.5", "trl==0.24.0", "peft==0.18.1", "accelerate==1.11.0", "datasets==4.0.0"),
    *("torchdata==0.11.0", "fire", "termcolor", "omegaconf", "antlr4-python3-runtime==4.9.3", "tyro==0.8.14", "av"),
    *("docstring_parser", "shtab", "einops", "tiktoken", "sse-starlette", "modelscope", "sentencepiece", "hf-transfer"),
)
PROGRAM = """
import importlib.machinery, json, sys, types
from pathlib import Path

silent = types.ModuleType("torchaudio")  # read for sound alone; its wheels are built for graphics cards
silent.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
sys.modules["torchaudio"] = silent
import torch
from llamafactory.hparams import get_infer_args
from llamafactory.model import load_model, load_tokenizer
from llamafactory.train.tuner import export_model, run_exp
from safetensors.torch import save_file

base, folder, texts, options = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]), json.loads(sys.argv[4])
data = folder.parent / "data"
data.mkdir(parents=True)
rows = [{"instruction": text, "input": "", "output": "cat"} for text in texts]
(data / "rows.json").write_text(json.dumps(rows))
(data / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": "rows.json"}}))
both = {"model_name_or_path": str(base), "template": "empty", "finetuning_type": "lora", **options.pop("both", {})}
training = {
    "stage": "sft", "do_train": True, "dataset": "rows", "dataset_dir": str(data), "cutoff_len": 32, "max_steps": 3,
    "per_device_train_batch_size": 4, "learning_rate": 0.02, "use_cpu": True, "report_to": "none",
    "preprocessing_num_workers": 1, "lora_rank": 4, "lora_target": "all", "output_dir": str(folder), **options,
}
run_exp({**both, **training})
reading = {**both, "adapter_name_or_path": str(folder), "infer_dtype": "float32"}
model_args, _, finetuning_args, _ = get_infer_args(reading)
tokenizer = load_tokenizer(model_args)["tokenizer"]
model = load_model(tokenizer, model_args, finetuning_args).eval()
with torch.inference_mode():
    said = [model(tokenizer(text, return_tensors="pt")["input_ids"]).logits[0, -1].float() for text in texts]
save_file({"logits": torch.stack(said)}, folder.parent / "said.safetensors")
export_model({**both, "adapter_name_or_path": str(folder), "export_dir": str(folder.parent / "merged")})
"""


def factory() -> Environment:
    return environment("llamafactory", *REQUIREMENTS)


def trained(base: Path, folder: Path, **options: Any) -> Any:
    """Let LLaMA-Factory train, load and merge a LoRA; return what it says of each text."""
    arguments = (base, folder, json.dumps(TEXTS), json.dumps(options))
    factory().run(PROGRAM, *arguments, DISABLE_VERSION_CHECK="1")
    return load_file(folder.parent / "said.safetensors")["logits"]


@pytest.mark.neighbour
def test_it_says_what_its_program_says(llama: Path, tmp_path: Path) -> None:
    there = trained(llama, tmp_path / "sent")
    version = factory().version("llamafactory")
    for form, folder, base in (("a LoRA", "sent", llama), ("a merged model", "merged", ITSELF)):
        here = said_here(tmp_path / folder, base, tmp_path / "ws")
        off = largest(here, there)
        assert off < 1e-4
        keep(Compared("LLaMA-Factory", version, "writes", f"logits, {form} of SFT", here.numel(), off))


@pytest.mark.neighbour
def test_tokens_that_it_added(llama: Path, tmp_path: Path) -> None:
    there = trained(llama, tmp_path / "sent", both={"add_tokens": "<a>,<b>", "resize_vocab": True})
    bench = Workbench(tmp_path / "ws", [])
    stored = bench.exchange.import_adapter(tmp_path / "sent", str(llama), backbone_to=tmp_path / "written")
    here = said_of(stored)
    assert here.shape[1] == there.shape[1] > len(WORDS) + 5
    off = largest(here, there)
    assert off < 1e-4
    version = factory().version("llamafactory")
    keep(Compared("LLaMA-Factory", version, "writes", "logits, a LoRA with added tokens", here.numel(), off))
