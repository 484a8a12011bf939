"""What people get wrong on the command line of `workbench examine`: one message, exit code 2, nothing written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from adapter_workbench.experiments.requests.examine import ExamineRequest
from adapter_workbench.experiments.studies.stream.plan.examination import examination
from adapter_workbench.workbench.errors import InputError
from tests.conftest import Call
from tests.streams import write_tasks


@pytest.fixture(scope="module")
def folders(bert: Path, llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders that are not what their names say."""
    import torch
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file, save_file
    from transformers import AutoModel, BertConfig, BertModel

    root = tmp_path_factory.mktemp("mistakes")
    (root / "notes").mkdir()
    (root / "notes/README.md").write_text("nothing here")
    (root / "empty").mkdir()
    wide = BertConfig(vocab_size=30, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    torch.manual_seed(0)
    for name, model in (("of-another", BertModel(wide)), ("of-llama", AutoModel.from_pretrained(llama))):
        targets = ["query", "value"] if name == "of-another" else ["q_proj"]
        get_peft_model(model, LoraConfig(r=2, target_modules=targets)).save_pretrained(root / name)
    shutil.copytree(bert, root / "other-words")
    tokenizer = json.loads((root / "other-words/tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {**vocabulary, **{f"new{number}": len(vocabulary) + number for number in range(8)}}
    for word in ("cat", "apple"):  # now far beyond the model's embeddings
        tokenizer["model"]["vocab"][word], tokenizer["model"]["vocab"][f"old-{word}"] = (
            len(vocabulary) + 8 + ("cat", "apple").index(word),
            vocabulary[word],
        )
    (root / "other-words/tokenizer.json").write_text(json.dumps(tokenizer))
    weights = load_file(root / "other-words/model.safetensors")
    save_file({name: 2 * tensor for name, tensor in weights.items()}, root / "other-words/model.safetensors")
    few = BertConfig(**{**wide.to_dict(), "hidden_size": 32, "vocab_size": 12})
    BertModel(few).save_pretrained(root / "fewer-words")
    (root / "seq/checkpoint-500").mkdir(parents=True)
    (root / "seq/checkpoint-1000").mkdir()
    return root


MISTAKES = {
    "notes": (["{root}/notes"], "notes"),
    "empty": (["{root}/empty"], "empty"),
    "missing": (["{root}/nowhere"], "nowhere"),
    "of another width": (["{root}/of-another"], "of-another"),
    "of another model": (["{root}/of-llama"], "of-llama"),
    "another vocabulary": (["{root}/other-words"], "other-words"),
    "a smaller vocabulary": (["{root}/fewer-words"], "fewer-words"),
    "twice": (["{root}/notes", "{root}/notes/"], "twice"),
    "the base again": (["{base}/"], "twice"),
    "wrong order": (["{root}/seq/checkpoint-1000", "{root}/seq/checkpoint-500"], "order"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_said_in_one_message(case: str, call: Call, bert: Path, folders: Path, tmp_path: Path) -> None:
    names, message = MISTAKES[case]
    write_tasks(tmp_path)
    given = [name.format(root=folders, base=bert) for name in names]
    code, out, err = call("examine", str(bert), *given, "--task", "animals", "--rows", "16", "--workspace", "ws")
    print(case, "->", err)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not out
    assert not (tmp_path / "ws/experiments").exists()


def test_numbers_of_other_folders_are_in_no_order() -> None:
    """Only checkpoints of one training are known to be in the order of their numbers."""
    stages = ["runs/b/checkpoint-500", "runs/a/checkpoint-50", "runs/final-2", "runs/other-1"]
    assert examination(ExamineRequest("minilm", stages)).data["strategies"]["given"]["stages"][1:] == stages
    with pytest.raises(InputError, match="order"):
        examination(
            ExamineRequest("minilm", ["runs/a/checkpoint-1000", "runs/b/checkpoint-1", "runs/a/checkpoint-500"])
        )
    with pytest.raises(InputError, match=r"ls -dv checkpoint-\*"):  # in the folder of the training
        examination(ExamineRequest("minilm", ["checkpoint-1000", "checkpoint-500"]))
