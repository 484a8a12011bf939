"""mergekit: a model that it merged, and a LoRA that it took out of one, say what they say in its own environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapter_workbench.workbench.backbone.model_folder import ITSELF
from tests.elsewhere.senders import TEXTS, drawn
from tests.neighbours.compared import Compared, keep
from tests.neighbours.environments import Environment, environment
from tests.neighbours.language_models import largest, said_here

RECIPES: dict[str, dict[str, Any]] = {
    "linear": {"merge_method": "linear", "parameters": {"weight": 0.5}},
    "slerp": {"merge_method": "slerp", "parameters": {"t": 0.3}},
    "ties": {"merge_method": "ties", "parameters": {"density": 0.5, "weight": 0.5}},
}
SAY = """
import json, sys
import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

base, adapter, out, texts = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
model = (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()
tokenizer = AutoTokenizer.from_pretrained(base)
with torch.inference_mode():
    said = [model(tokenizer(text, return_tensors="pt")["input_ids"]).logits[0, -1] for text in texts]
save_file({"logits": torch.stack(said)}, out)
"""


def kit() -> Environment:
    return environment("mergekit", "mergekit==0.1.5")


def called(command: str, *arguments: str | Path) -> None:
    """Call one of mergekit's commands."""
    module = {"mergekit-yaml": "run_yaml", "mergekit-extract-lora": "extract_lora"}[command]
    done = kit().called(["-m", f"mergekit.scripts.{module}", *map(str, arguments)])
    assert done.returncode == 0, done.stderr[-3000:]


def said_there(base: Path, adapter: Path | str, out: Path) -> torch.Tensor:
    """Return what a model says in the environment of mergekit."""
    kit().run(SAY, base, adapter, out, json.dumps(TEXTS))
    return load_file(out)["logits"]


@pytest.fixture(scope="module")
def tuned(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write two models that a training of the same base model could have left."""
    folders = []
    for seed in (1, 2):
        model = AutoModelForCausalLM.from_pretrained(llama)
        drawn(model, seed, spread=0.05)
        folders.append(tmp_path_factory.mktemp("tuned"))
        model.save_pretrained(folders[-1])
        AutoTokenizer.from_pretrained(llama).save_pretrained(folders[-1])
    return folders


@pytest.mark.neighbour
@pytest.mark.parametrize("method", RECIPES)
def test_a_merged_model(method: str, llama: Path, tuned: list[Path], tmp_path: Path) -> None:
    options = {"base_model": str(tuned[0] if method == "slerp" else llama)} if method != "linear" else {}
    recipe = {"models": [{"model": str(folder)} for folder in tuned], "dtype": "float32", **options, **RECIPES[method]}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    called("mergekit-yaml", tmp_path / "recipe.yaml", tmp_path / "merged")
    there = said_there(tmp_path / "merged", "", tmp_path / "said.safetensors")
    here = said_here(tmp_path / "merged", ITSELF, tmp_path / "ws")
    off = largest(here, there)
    assert off < 1e-4
    keep(Compared("mergekit", kit().version("mergekit"), "writes", f"logits, merged by {method}", here.numel(), off))


@pytest.mark.neighbour
def test_a_lora_taken_out(llama: Path, tuned: list[Path], tmp_path: Path) -> None:
    options = ("--model", tuned[0], "--base-model", llama, "--out-path", tmp_path / "sent", "--max-rank", "8")
    called("mergekit-extract-lora", *options, "--exclude-regex", "lm_head", "--exclude-regex", "embed_tokens")
    there = said_there(llama, tmp_path / "sent", tmp_path / "said.safetensors")
    here = said_here(tmp_path / "sent", llama, tmp_path / "ws")
    off = largest(here, there)
    assert off < 1e-4
    version = kit().version("mergekit")
    keep(Compared("mergekit", version, "writes", "logits, a LoRA taken out of a model", here.numel(), off))
