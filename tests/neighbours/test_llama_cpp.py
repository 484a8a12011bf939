"""llama.cpp's programs convert a merged folder and an exported LoRA to GGUF, and it answers as peft does."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from adapter_workbench.experiments.answers.server_lora import write_server_lora
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.standard_model import save_standard
from adapter_workbench.workbench.backbone.names import open_backbone
from tests.exported_adapters import adapter_of
from tests.neighbours.compared import Compared, keep
from tests.neighbours.environments import BUILT, ROOT, Environment, environment
from tests.tiny_models import SIZES, WORDS

PROGRAM = ROOT / "tests" / "neighbours" / "reads_gguf.py"
PACKAGE, VERSION = "llama-cpp-python", "0.3.36"  # its source has llama.cpp's own, with the programs that convert
ROWS = [[1, 260, 270, 265, 280], [1, 275, 262]]
WRITTEN = 6
LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
WHOLE = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}


def write_base(folder: Path) -> Path:
    """Write a LLaMA of 2 layers × 32 with a tokenizer as LLaMA 2's, which llama.cpp knows without a list of its own."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted({letter for word in WORDS for letter in word} | {"▁"})
    listed = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    vocabulary = {token: index for index, token in enumerate(listed)}
    model = models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {**SIZES, "vocab_size": len(listed), "num_key_value_heads": 2}
    LlamaForCausalLM(LlamaConfig(**sizes, bos_token_id=1, eos_token_id=2)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def python() -> Environment:
    """An environment with llama.cpp; it is compiled, once."""
    return environment("llama-cpp", f"{PACKAGE}=={VERSION}", "gguf", "sentencepiece")


@pytest.fixture(scope="module")
def programs(python: Environment) -> Path:
    """The folder of llama.cpp's own programs: no package installs them."""
    folder = BUILT / "sources" / f"{PACKAGE}-{VERSION}"
    if not folder.exists():
        asked = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", PACKAGE, f"{PACKAGE}=={VERSION}"]
        done = python.called([*asked, "--dest", str(folder.parent)], 600)
        if done.returncode:
            pytest.skip(f"the source of {PACKAGE} is not reached: {done.stderr.strip()[-500:]}")
        (source,) = folder.parent.glob("*.tar.gz")
        with tarfile.open(source) as archive:
            archive.extractall(folder.parent / "opened", filter="data")
        next((folder.parent / "opened").iterdir()).rename(folder)
    return folder / "vendor" / "llama.cpp"


@pytest.fixture(scope="module")
def files(python: Environment, programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model, a LoRA on it, exported for servers and merged, and all three in GGUF."""
    folder = tmp_path_factory.mktemp("gguf")
    backbone = open_backbone(str(write_base(folder / "base")))
    stored = adapter_of("rslora", "causal-lm", backbone, AdapterStore(folder / "store"))
    for name in ("lora", "merged"):
        (folder / name).mkdir()
    write_server_lora(stored, backbone, folder / "lora")  # the program that converts reads no other scaling
    save_standard(stored, backbone, "causal-lm", folder / "merged", "")
    for name in ("base", "merged", "lora"):
        program = programs / f"convert_{'lora' if name == 'lora' else 'hf'}_to_gguf.py"
        base = ["--base", str(folder / "base")] if name == "lora" else []
        to = ["--outtype", "f32", "--outfile", str(folder / f"{name}.gguf")]
        done = python.called([str(program), str(folder / name), *base, *to])
        assert done.returncode == 0, done.stderr[-4000:]
    return folder


def results(python: Environment, folder: Path, jobs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what became of jobs for :mod:`tests.neighbours.reads_gguf`."""
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    done = python.called([str(PROGRAM), str(folder / "jobs.json"), str(folder / "results.json")])
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return found


def as_llama_cpp(name: str, weight: Tensor, base: Path) -> tuple[str, Tensor]:
    """Return how llama.cpp calls and stores a weight: rotated halves of queries and keys lie interleaved there."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    plain, _, ending = name.removeprefix("base_model.model.").removeprefix("model.").rpartition(".")
    plain, _, part = plain.partition(".lora_")
    ending = f"{ending}.lora_{part.lower()}" if part else ending
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}.get(plain.rpartition(".")[2])
    if heads and part != "A":
        weight = weight.unflatten(0, (config[heads], 2, -1)).transpose(1, 2).reshape(weight.shape)
    if plain in WHOLE:
        return f"{WHOLE[plain]}.{ending}", weight
    _, layer, place = plain.split(".", 2)
    return f"blk.{layer}.{LAYER[place]}.{ending}", weight


@pytest.mark.neighbour
@pytest.mark.parametrize(
    ("name", "stored", "what"),
    [
        ("merged", "model.safetensors", "tensors of a merged folder in GGUF, by convert_hf_to_gguf.py"),
        ("lora", "adapter_model.safetensors", "tensors of a LoRA in GGUF, by convert_lora_to_gguf.py"),
    ],
)
def test_a_file_in_gguf_holds_what_the_folder_held(
    name: str, stored: str, what: str, python: Environment, files: Path
) -> None:
    job = {"model": str(files / f"{name}.gguf"), "writes": None}
    found = {name: np.array(rows, np.float32) for name, rows in results(python, files, {"it": job})["it"].items()}
    wanted = dict(as_llama_cpp(*item, files / "base") for item in load_file(files / name / stored).items())
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], weight.float().numpy()) for name, weight in wanted.items())
    keep(Compared("llama.cpp", f"{VERSION} of {PACKAGE}", "reads", what, len(wanted), None))


@pytest.mark.neighbour
def test_llama_cpp_answers_as_peft_does(python: Environment, files: Path) -> None:
    paths = {name: str(files / f"{name}.gguf") for name in ("base", "merged", "lora")}
    asked = {"rows": ROWS, "writes": WRITTEN}
    merged, beside = {"model": paths["merged"], "lora": None}, {"model": paths["base"], "lora": paths["lora"]}
    bare = {"model": paths["base"], "lora": None}
    found = results(python, files, {"merged": merged | asked, "beside": beside | asked, "bare": bare | asked})
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(files / "base"), str(files / "lora")).eval()
    furthest = {"merged": 0.0, "beside": 0.0, "bare": 0.0}
    for number, row in enumerate(ROWS):
        ids = torch.tensor([row])
        with torch.inference_mode():
            logits = model(input_ids=ids).logits[0]
            limits = {"max_new_tokens": WRITTEN, "min_new_tokens": WRITTEN, "do_sample": False, "pad_token_id": 2}
            tokens = model.generate(input_ids=ids, **limits, eos_token_id=-1)[0, len(row) :].tolist()
        for name, results_of in found.items():
            difference = float((torch.tensor(results_of["logits"][number]) - logits).abs().max())
            furthest[name] = max(furthest[name], difference)
            assert name == "bare" or results_of["tokens"][number] == tokens, name
    assert furthest["bare"] > 1, "the LoRA does something"
    assert max(furthest["merged"], furthest["beside"]) < 1e-3
    for name, what in (("merged", "a merged model in GGUF"), ("beside", "a LoRA in GGUF on its base")):
        row = Compared("llama.cpp", f"{VERSION} of {PACKAGE}", "reads", f"logits of {what}", len(ROWS), furthest[name])
        keep(row)
