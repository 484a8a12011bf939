"""Adapters of peft that bring tokens of their own: their base model is written with them, and they answer as there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.stored_model import backbone_of, open_adapter
from tests.conftest import Call
from tests.elsewhere.senders import drawn
from tests.messages import lacks

ADDED = ["<a>", "<b>"]
TEXTS = ["the cat often <a>", "a plum <b> very", "some dog", "<a> <b> this one"]
WORDS = ["embed_tokens", "lm_head"]
FORMS: dict[str, dict[str, Any]] = {  # in which peft saves them → what the config says
    "rows": {},
    "whole": {"modules_to_save": WORDS},
    "input alone": {"modules_to_save": ["embed_tokens"]},
    "output alone": {"modules_to_save": ["lm_head"], "target_modules": "all-linear"},
    "some tokens": {"trainable_token_indices": [31, 32, 7]},
    "some tokens of both": {"trainable_token_indices": {"embed_tokens": [31, 32], "lm_head": [31, 32]}},
    "updates": {"target_modules": ["q_proj", *WORDS]},
}
Sent = Callable[..., Path]


def sent(base: Path, folder: Path, loader: str = "AutoModelForCausalLM", adds: bool = True, **config: Any) -> Path:
    """Add tokens to a model, adapt it, and save both as peft's users do."""
    import transformers

    options = {"num_labels": 3} if loader.endswith("Classification") else {}
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = getattr(transformers, loader).from_pretrained(base, **options)
    if adds:
        tokenizer.add_tokens(ADDED)
        model.resize_token_embeddings(len(tokenizer))
    adapted: Any = get_peft_model(model, LoraConfig(r=2, **{"task_type": "CAUSAL_LM", **config}))
    drawn(adapted)
    adapted.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def said_there(base: Path, folder: Path, loader: str = "AutoModelForCausalLM") -> list[Tensor]:
    """Return the logits of each text, as peft's users read them."""
    import transformers

    options = {"num_labels": 3} if loader.endswith("Classification") else {}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = getattr(transformers, loader).from_pretrained(base, **options)
    model.resize_token_embeddings(len(tokenizer))
    adapted: Any = PeftModel.from_pretrained(model, folder).eval()
    with torch.inference_mode():
        return [adapted(**_read(tokenizer, text, adapted)).logits for text in TEXTS]


def said_here(stored: StoredAdapter) -> list[Tensor]:
    """Return the same of what came in."""
    backbone = backbone_of(stored)
    model = open_adapter(stored, backbone)
    with torch.inference_mode():
        return [model(**_read(backbone.tokenizer, text, model.body))["logits"] for text in TEXTS]


def off_by(here: list[Tensor], there: list[Tensor]) -> float:
    return max(float((ours - theirs).abs().max()) for ours, theirs in zip(here, there, strict=True))


def _read(tokenizer: Any, text: str, model: Any) -> dict[str, Tensor]:
    types = model.config.model_type == "bert"
    return dict(tokenizer(text, return_tensors="pt", return_token_type_ids=types))


@pytest.fixture(scope="module")
def tied(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the LLaMA with an output layer that is its embeddings."""
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("tied") / "base"
    AutoModelForCausalLM.from_pretrained(llama, tie_word_embeddings=True).save_pretrained(folder)
    AutoTokenizer.from_pretrained(llama).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("is_tied", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_it_says_what_peft_says(form: str, is_tied: bool, llama: Path, tied: Path, tmp_path: Path) -> None:
    base = tied if is_tied else llama
    sent(base, tmp_path / "sent", **{"target_modules": ["q_proj"], **FORMS[form]})
    there = said_there(base, tmp_path / "sent")
    exchange = Workbench(tmp_path / "ws", []).exchange
    stored = exchange.import_adapter(tmp_path / "sent", str(base), backbone_to=tmp_path / "written")
    assert off_by(said_here(stored), there) < 1e-5
    assert backbone_of(stored).tokenizer(ADDED[0], add_special_tokens=False)["input_ids"] == [31]
    again = exchange.import_adapter(tmp_path / "sent", str(base), backbone_to=tmp_path / "written")
    assert again.id == stored.id
    exchange.export(stored.id, tmp_path / "merged", merge=True)
    merged = Workbench(tmp_path / "other", []).exchange.import_adapter(tmp_path / "merged", "itself")
    assert off_by(said_here(merged), there) < 1e-4


def test_a_classifier_comes_in_on_its_own_words(bert: Path, tmp_path: Path) -> None:
    loader = "AutoModelForSequenceClassification"
    config = {
        "task_type": "SEQ_CLS",
        "target_modules": ["query"],
        "trainable_token_indices": {"word_embeddings": [31, 32]},
    }
    sent(bert, tmp_path / "sent", loader, **config)
    there = said_there(bert, tmp_path / "sent", loader)
    exchange = Workbench(tmp_path / "ws", []).exchange
    options: dict[str, Any] = {"labels": ("x", "y", "z"), "backbone_to": tmp_path / "written"}
    stored = exchange.import_adapter(tmp_path / "sent", str(bert), **options)
    assert off_by(said_here(stored), there) < 1e-5
    assert backbone_of(stored).pooling == open_backbone(str(bert)).pooling


def test_tokens_may_stand_in_rows_that_were_spare(llama: Path, tmp_path: Path) -> None:
    """As those of Qwen, whose embeddings are more than its tokens: nothing is resized."""
    from transformers import AutoModelForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(llama)
    model = AutoModelForCausalLM.from_pretrained(llama)
    model.resize_token_embeddings(40)
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "base")
    tokenizer.add_tokens(ADDED)
    config = LoraConfig(r=2, task_type="CAUSAL_LM", target_modules=["q_proj"], trainable_token_indices=[31, 32])
    adapted: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(tmp_path / "base"), config)
    drawn(adapted.eval())
    for part in (adapted, tokenizer):
        part.save_pretrained(tmp_path / "sent")
    with torch.inference_mode():
        there = [adapted(**_read(tokenizer, text, adapted)).logits for text in TEXTS]
    exchange = Workbench(tmp_path / "ws", []).exchange
    stored = exchange.import_adapter(tmp_path / "sent", str(tmp_path / "base"), backbone_to=tmp_path / "written")
    assert off_by(said_here(stored), there) < 1e-5


def test_an_output_layer_alone_needs_no_tokens(llama: Path, tmp_path: Path) -> None:
    sent(llama, tmp_path / "sent", adds=False, target_modules=["q_proj"], modules_to_save=["lm_head"])
    exchange = Workbench(tmp_path / "ws", []).exchange
    with pytest.raises(InputError, match=r"lm_head was trained(.|\n)*--backbone-to FOLDER"):
        exchange.import_adapter(tmp_path / "sent", str(llama))
    stored = exchange.import_adapter(tmp_path / "sent", str(llama), backbone_to=tmp_path / "written")
    assert off_by(said_here(stored), said_there(llama, tmp_path / "sent")) < 1e-5


def test_two_adapters_share_what_was_written_and_others_are_refused(llama: Path, tmp_path: Path) -> None:
    """Rows that were resized at random are others each time."""
    sent(llama, tmp_path / "one", target_modules=["q_proj"])
    sent(llama, tmp_path / "same", target_modules=["v_proj"])
    sent(llama, tmp_path / "other", target_modules=["q_proj"], modules_to_save=WORDS)
    exchange = Workbench(tmp_path / "ws", []).exchange
    one, same = (
        exchange.import_adapter(tmp_path / name, str(llama), backbone_to=tmp_path / "written")
        for name in ("one", "same")
    )
    assert one.manifest.backbone == same.manifest.backbone
    with pytest.raises(InputError, match="has other words than this adapter"):
        exchange.import_adapter(tmp_path / "other", str(llama), backbone_to=tmp_path / "written")


def _without_rows(folder: Path) -> None:
    tensors = load_file(folder / PEFT_WEIGHTS)
    save_file({name: tensor for name, tensor in tensors.items() if "lm_head" not in name}, folder / PEFT_WEIGHTS)


def _without_tokenizer(folder: Path) -> None:
    for path in folder.glob("*token*"):
        path.unlink()


def _other_tokenizer(folder: Path) -> None:
    document = json.loads((folder / "tokenizer.json").read_text())
    words = document["model"]["vocab"]
    words["cat"], words["dog"] = words["dog"], words["cat"]
    (folder / "tokenizer.json").write_text(json.dumps(document))


def _many_rows(folder: Path) -> None:
    tensors = load_file(folder / PEFT_WEIGHTS)
    name = "base_model.model.lm_head.weight"
    save_file({**tensors, name: torch.zeros(33 + 100_001, 1)}, folder / PEFT_WEIGHTS)


WRONG: dict[str, tuple[Callable[[Path], None], str]] = {
    "rows are missing": (_without_rows, "the rows of 2 added tokens of lm_head are not in this folder"),
    "no tokenizer": (_without_tokenizer, "2 tokens were added, and their tokenizer is not here"),
    "another tokenizer": (_other_tokenizer, "its tokenizer is another one: 'dog', number 5 here"),
    "too many rows": (_many_rows, "tokens were added; 100,000 may be"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_go_together_is_refused(case: str, llama: Path, tmp_path: Path, call: Call) -> None:
    change, message = WRONG[case]
    change(sent(llama, tmp_path / "sent", target_modules=["q_proj"]))
    options = ("--backbone", str(llama), "--backbone-to", "written", "--workspace", "ws")
    code, out, err = call("adapters", "import", "sent", *options)
    assert (code, out) == (2, ""), err
    assert message in err
    assert not Path("written").exists() and not [*Path("ws").glob("adapters/*")]


def test_the_way_is_told(llama: Path, tmp_path: Path, call: Call) -> None:
    sent(llama, tmp_path / "sent", target_modules=["q_proj"])
    code, out, err = call("adapters", "import", "sent", "--backbone", str(llama), "--workspace", "ws")
    assert (code, out) == (2, "")
    assert lacks(err, "its tokenizer has tokens that", "<a>, <b>", "--backbone-to FOLDER") == []
    options = ("--backbone", str(llama), "--backbone-to", "written", "--workspace", "ws")
    code, out, err = call("adapters", "import", "sent", *options)
    assert code == 0, err
    assert "was written to written with its words" in err + out
    code, _, err = call("adapters", "import", str(llama), "--backbone-to", "other", "--workspace", "ws")
    assert code == 2
    assert "only an adapter of peft brings words" in err


def test_a_refusal_leaves_no_folder(llama: Path, tmp_path: Path) -> None:
    """It is written before the import has looked at everything."""
    sent(llama, tmp_path / "sent", target_modules=["q_proj"])
    exchange = Workbench(tmp_path / "ws", []).exchange
    with pytest.raises(InputError, match="max_length 5000"):
        exchange.import_adapter(
            tmp_path / "sent", str(llama), backbone_to=tmp_path / "deep" / "written", max_length=5000
        )
    assert not (tmp_path / "deep" / "written").exists()
