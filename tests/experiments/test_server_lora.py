"""The folder for servers of language models opens with plain peft on AutoModelForCausalLM, and answers the same."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from adapter_workbench.experiments.answers.server_lora import ServerLora, write_server_lora
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import LowRank
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.stored_model import open_adapter
from tests.conftest import FILLERS, SUBJECTS, Call
from tests.streams import write_tasks

BUDGET = {"epochs": 1, "batch_size": 8, "max_length": 16, "precision": "fp32"}
SAY = "description: Say the noun.\nkind: causal-lm\nfiles: {data: say.csv}\ncolumns: {text: text, answer: noun}\n"


def bench(folder: Path) -> Workbench:
    tasks = write_tasks(folder)
    lines = ["text,noun", *(f"the {word} {filler},{word}" for word in SUBJECTS for filler in FILLERS)]
    (tasks / "say.csv").write_text("\n".join(lines), encoding="utf-8")
    (tasks / "say.yaml").write_text(f"{SAY}max_new_tokens: 4\n", encoding="utf-8")
    return Workbench(folder / "ws", [tasks])


def test_plain_peft_computes_the_same_logits(tmp_path: Path, llama: Path) -> None:
    here = bench(tmp_path)
    lesson = here.lesson("say", "lora", str(llama), learning_rate=0.05, budget=BUDGET)
    stored, backbone = here.workspace.trained_adapter(lesson, Silent(), ""), open_backbone(str(llama))
    folder = tmp_path / "out"
    folder.mkdir()
    assert write_server_lora(stored, backbone, folder) == 8
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["task_type"], config["r"], config["lora_alpha"]) == ("CAUSAL_LM", 8, 8)
    assert sorted(config["target_modules"]) == ["q_proj", "v_proj"]

    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(llama), str(folder)).eval()
    ids = AutoTokenizer.from_pretrained(llama)(f"the {SUBJECTS[0]} often", return_tensors="pt").input_ids
    model = open_adapter(stored, backbone)
    wanted = model.head(model.states(input_ids=ids, attention_mask=torch.ones_like(ids)))
    torch.testing.assert_close(plain(input_ids=ids).logits, wanted, rtol=1e-5, atol=1e-5)
    bare = AutoModelForCausalLM.from_pretrained(llama)(input_ids=ids).logits
    assert not torch.allclose(bare, wanted, atol=1e-3), "the LoRA does something"


def test_ranks_and_scalings_of_modules_become_one(tmp_path: Path, llama: Path) -> None:
    """Of a composed LoRA each module may have a rank of its own; servers know one for all."""
    here = bench(tmp_path)
    lesson = here.lesson("say", "lora", str(llama), learning_rate=0.05, budget=BUDGET)
    stored, backbone = here.workspace.trained_adapter(lesson, Silent(), ""), open_backbone(str(llama))
    update = dict(lora.read(stored.folder))
    first = min(update)
    update[first] = LowRank(update[first].b[:, :3], update[first].a[:3])
    body, _ = lora.attach(backbone, update)
    composed = tmp_path / "composed"
    composed.mkdir()
    lesson.adaptation.library.save(body, composed)
    folder = tmp_path / "out"
    folder.mkdir()
    assert write_server_lora(replace(stored, folder=composed), backbone, folder) == 8
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(llama), str(folder)).eval()
    for name, pair in update.items():
        layer = plain.base_model.model.model.get_submodule(name)
        torch.testing.assert_close(layer.get_delta_weight("default"), pair.b @ pair.a)


def test_the_command_says_how_it_is_served(tmp_path: Path, llama: Path, call: Call) -> None:
    here = bench(tmp_path)
    settings = {"learning_rate": 0.05, "rank": 12, "budget": BUDGET}
    stored = here.workspace.trained_adapter(here.lesson("say", "lora", str(llama), **settings), Silent(), "")
    code, out, err = call("adapters", "export", stored.id, "served", "--vllm", "--workspace", "ws")
    assert code == 0, err
    assert f"vllm serve {llama} --enable-lora --max-lora-rank 16 --lora-modules NAME=served" in " ".join(out.split())
    assert {path.name for path in Path("served").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    ranks = {rank: ServerLora(Path(), "", rank).rank_to_ask_for for rank in (1, 8, 9, 24, 64)}
    assert ranks == {1: 8, 8: 8, 9: 16, 24: 32, 64: 64}
    assert call("adapters", "export", stored.id, "both", "--vllm", "--merge", "--workspace", "ws")[0] == 2
    assert not Path("both").exists()


def test_another_backbone_is_refused(tmp_path: Path, llama: Path, call: Call) -> None:
    here = bench(tmp_path)
    lesson = here.lesson("say", "lora", str(llama), learning_rate=0.05, budget=BUDGET)
    stored = here.workspace.trained_adapter(lesson, Silent(), "")
    other = shutil.copytree(llama, tmp_path / "other")
    torch.manual_seed(1)
    LlamaForCausalLM(LlamaConfig.from_pretrained(llama)).save_pretrained(other)
    export = ["adapters", "export", stored.id, "served", "--vllm", "--workspace", "ws", "--backbone"]
    code, _, err = call(*export, str(other))
    assert code == 2, err
    assert f"adapter {stored.id} was trained on" in " ".join(err.split())
    assert not [path for path in tmp_path.iterdir() if "served" in path.name]
    moved = shutil.copytree(llama, tmp_path / "moved")
    assert call(*export, str(moved))[0] == 0, "the same weights in another folder"


def test_what_no_such_server_can_answer_is_refused(tmp_path: Path, bert: Path) -> None:
    here = bench(tmp_path)
    stored = here.workspace.trained_adapter(here.lesson("animals", "lora", str(bert), budget=BUDGET), Silent(), "")
    with pytest.raises(InputError, match="classification task"):
        write_server_lora(stored, open_backbone(str(bert)), tmp_path)
