"""`adapters export` of an adapter of peft: the folder opens on the class that answers, and says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.stored_model import open_adapter
from tests.conftest import SUBJECTS, Call
from tests.experiments.test_server_lora import BUDGET, bench
from tests.messages import lacks
from tests.neighbours.reads_exports import opened


def trained(folder: Path, backbone: Path, task: str = "say", method: str = "lora") -> StoredAdapter:
    here = bench(folder)
    lesson = here.lesson(task, method, str(backbone), learning_rate=0.05, budget=BUDGET)
    return here.workspace.trained_adapter(lesson, Silent(), "")


def task_type(folder: str) -> str:
    config: dict[str, str] = json.loads(Path(folder, CONFIG).read_text(encoding="utf-8"))
    return config["task_type"]


def test_a_language_model_s_lora_opens_the_usual_way_and_comes_back(tmp_path: Path, llama: Path, call: Call) -> None:
    stored = trained(tmp_path, llama)
    code, out, err = call("adapters", "export", stored.id, "sent", "--workspace", "ws")
    assert (code, out.splitlines()[0]) == (0, "Exported to sent"), err
    assert task_type("sent") == "CAUSAL_LM"
    ids = AutoTokenizer.from_pretrained(llama)(f"the {SUBJECTS[0]} often", return_tensors="pt").input_ids
    model = open_adapter(stored, open_backbone(str(llama)))
    with torch.inference_mode():
        wanted = model.head(model.states(input_ids=ids, attention_mask=torch.ones_like(ids)))
        torch.testing.assert_close(opened("sent")(input_ids=ids).logits, wanted, rtol=0.0, atol=1e-5)
    for workspace in ("other", "ws"):
        code, _, err = call("adapters", "import", "sent", "--workspace", workspace, "--backbone", str(llama))
        assert code == 0, err
        assert call("adapters", "verify", "--workspace", workspace)[0] == 0
    assert bench(tmp_path).workspace.adapters.get(stored.id) == stored


def test_without_its_backbone_it_is_written_for_the_transformer_alone(tmp_path: Path, llama: Path, call: Call) -> None:
    base = shutil.copytree(llama, tmp_path / "base")
    stored = trained(tmp_path, base)
    moved = base.rename(tmp_path / "moved")
    code, _, err = call("adapters", "export", stored.id, "bare", "--workspace", "ws")
    assert code == 0, err
    assert lacks(" ".join(err.split()), f"The backbone of {stored.id} is not on this machine", "--backbone NAME") == []
    assert task_type("bare") == "FEATURE_EXTRACTION"
    assert "its backbone was not at hand" in Path("bare", "README.md").read_text(encoding="utf-8")
    code, _, err = call("adapters", "export", stored.id, "whole", "--workspace", "ws", "--backbone", str(moved))
    assert (code, task_type("whole")) == (0, "CAUSAL_LM"), err
    for folder in ("bare", "whole"):
        code, _, err = call("adapters", "import", folder, "--workspace", f"with {folder}", "--backbone", str(moved))
        assert code == 0, err


def test_another_backbone_is_refused_and_nothing_is_written(tmp_path: Path, llama: Path, call: Call) -> None:
    stored = trained(tmp_path, llama)
    other = shutil.copytree(llama, tmp_path / "other")
    torch.manual_seed(1)
    LlamaForCausalLM(LlamaConfig.from_pretrained(llama)).save_pretrained(other)
    code, _, err = call("adapters", "export", stored.id, "sent", "--workspace", "ws", "--backbone", str(other))
    assert (code, f"adapter {stored.id} was trained on" in " ".join(err.split()), Path("sent").exists()) == (
        2,
        True,
        False,
    )


def test_where_no_backbone_is_read_none_can_be_named(tmp_path: Path, bert: Path, call: Call) -> None:
    stored = trained(tmp_path, bert, "animals", "bitfit")
    code, _, err = call("adapters", "export", stored.id, "sent", "--workspace", "ws", "--backbone", str(bert))
    assert (code, "no backbone is read or written" in err, Path("sent").exists()) == (2, True, False)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_card_says_which_class_it_is_for_and_why(pooling: str, tmp_path: Path, bert: Path, call: Call) -> None:
    base = shutil.copytree(bert, tmp_path / "base")
    (base / "1_Pooling").mkdir()
    modes = {"pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean"}
    (base / "1_Pooling" / "config.json").write_text(json.dumps(modes), encoding="utf-8")
    stored = trained(tmp_path, base, "animals")
    code, _, err = call("adapters", "export", stored.id, "sent", "--workspace", "ws")
    assert code == 0, err
    card = " ".join(Path("sent", "README.md").read_text(encoding="utf-8").split())
    if pooling == "cls":
        assert task_type("sent") == "SEQ_CLS"
        assert "model = AutoModelForSequenceClassification.from_pretrained(" in card
    else:
        assert task_type("sent") == "FEATURE_EXTRACTION"
        assert "the adapter reads the mean of all tokens" in card
        assert "model = AutoModel.from_pretrained(" in card
