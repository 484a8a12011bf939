"""What does not fit the base model in a folder of peft is one message that names it, and nothing is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertModel

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.elsewhere.beside_tokenizer import SPECIMENS
from adapter_workbench.workbench.errors import InputError
from tests.elsewhere.architectures import write_base
from tests.elsewhere.senders import answers_here, imported, sent_by_peft
from tests.messages import lacks
from tests.tiny_models import WORDS, write_model

SEQ: dict[str, Any] = {"task_type": "SEQ_CLS"}
QUERY = "bert.encoder.layer.0.attention.self.query"
Sent = Callable[[], Path]


@pytest.fixture
def sent(bert: Path, tmp_path: Path) -> Path:
    """A LoRA on the tiny BERT."""
    sent_by_peft(bert, tmp_path / "sent", LoraConfig(**SEQ, r=4), num_labels=3)
    return tmp_path / "sent"


def refused(base: Path, folder: Path, tmp_path: Path) -> str:
    """Return the message of an import that fails and leaves nothing."""
    with pytest.raises(InputError) as caught:
        imported(base, folder, tmp_path / "ws")
    assert not AdapterStore(tmp_path / "ws" / "adapters").ids()
    return str(caught.value)


def small(folder: Path, **keys: int) -> Path:
    sizes = {"vocab_size": len(WORDS) + 5, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return write_model(folder, BertModel, BertConfig(**sizes | {"intermediate_size": 64} | keys))


def test_base_model_of_another_size(sent: Path, tmp_path: Path) -> None:
    message = refused(small(tmp_path / "small"), sent, tmp_path)
    assert lacks(message, f"{QUERY}.lora_A.weight is [4, 32]", "[4, 16]") == []
    message = refused(small(tmp_path / "short", hidden_size=32, num_hidden_layers=1), sent, tmp_path)
    assert (
        "bert.encoder.layer.1.attention.self.query.lora_A.weight does not fit: the base model has no bert.encoder"
        in message
    )


def test_base_model_of_another_architecture(sent: Path, tmp_path: Path) -> None:
    message = refused(write_base(tmp_path / "other", "roberta"), sent, tmp_path)
    assert f"{QUERY}.lora_A.weight does not fit" in message
    assert "--backbone" in message


@pytest.mark.parametrize("tokens", [2, 40])
def test_vocabulary_that_was_resized(tokens: int, bert: Path, tmp_path: Path) -> None:
    """The base model that the sender resized fits, and the one that it began as does not."""
    model = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=3)
    model.resize_token_embeddings(len(WORDS) + 5 + tokens, mean_resizing=False)
    model.bert.save_pretrained(tmp_path / "resized")
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / "resized")
    config = LoraConfig(**SEQ, r=4, target_modules=["query", "word_embeddings"])
    wanted = sent_by_peft(tmp_path / "resized", tmp_path / "sent", config, num_labels=3)()
    message = f"lora_embedding_A is for {len(WORDS) + 5 + tokens} tokens, but the base model has {len(WORDS) + 5}"
    assert message in refused(bert, tmp_path / "sent", tmp_path)
    stored = imported(tmp_path / "resized", tmp_path / "sent", tmp_path / "ws")
    assert torch.equal(answers_here(stored, tmp_path / "resized"), wanted)


def changed(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Write an adapter's tensors again after ``change`` was called with them."""
    tensors = load_file(folder / PEFT_WEIGHTS)
    change(tensors)
    save_file(tensors, folder / PEFT_WEIGHTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors[f"base_model.model.{QUERY}.lora_A.weight"].fill_(torch.nan), "NaN"),
        (lambda tensors: tensors.pop(f"base_model.model.{QUERY}.lora_A.weight"), f"{QUERY}.lora_A.weight are missing"),
        (lambda tensors: tensors.pop("base_model.model.classifier.weight"), "classifier.weight are neither in this"),
        (
            lambda tensors: tensors.update({f"base_model.model.{QUERY}.lora_C.weight": torch.ones(3)}),
            f"weights of {QUERY}.lora_C.weight",
        ),
        (
            lambda tensors: tensors.update({f"base_model.model.{QUERY}.bias": torch.ones(32)}),
            f"{QUERY}.bias is a weight of the base",
        ),
    ],
    ids=["nan", "missing", "headless", "too many", "the base model's"],
)
def test_weights_that_do_not_fit(
    change: Callable[[dict[str, Tensor]], object], message: str, sent: Path, bert: Path, tmp_path: Path
) -> None:
    changed(sent, change)
    assert message in refused(bert, sent, tmp_path)


def test_head_of_another_width_than_there_are_labels(sent: Path, bert: Path, tmp_path: Path) -> None:
    changed(sent, lambda tensors: tensors.update({"base_model.model.classifier.bias": torch.ones(4)}))
    assert lacks(refused(bert, sent, tmp_path), "classifier.bias is [4]", "needs [3]") == []


@pytest.mark.parametrize("files", ["tokenizer.json", "vocab.txt", "vocab.json and added_tokens.json"])
def test_tokenizer_beside_the_adapter(files: str, sent: Path, bert: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(bert)
    words = [word for word, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]

    def write(*more: str) -> None:
        if files == "tokenizer.json":
            tokenizer.add_tokens([*more])
            tokenizer.save_pretrained(sent)
        elif files == "vocab.txt":
            (sent / files).write_text("\n".join([*words, *more]) + "\n", encoding="utf-8")
        else:
            (sent / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
            (sent / "added_tokens.json").write_text(json.dumps({word: len(words) for word in more}))

    write()
    imported(bert, sent, tmp_path / "same")
    write("<tool>")
    message = "does not have: <tool>"
    assert message in refused(bert, sent, tmp_path)


def test_tokenizer_that_cuts_its_words_elsewhere(sent: Path, bert: Path, tmp_path: Path) -> None:
    AutoTokenizer.from_pretrained(bert).save_pretrained(sent)
    path = sent / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "pre_tokenizer": {"type": "WhitespaceSplit"}}), encoding="utf-8")
    message = refused(bert, sent, tmp_path)
    assert str(path) in message
    assert repr(SPECIMENS[0]) in message, "the text of which it makes other tokens"


def test_tokenizer_that_has_other_pieces_or_cannot_be_read(sent: Path, bert: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    AutoTokenizer.from_pretrained(bert).save_pretrained(base)
    for path in bert.iterdir():
        (base / path.name).write_bytes(path.read_bytes())
    (base / "tokenizer.model").write_bytes(b"pieces")
    (sent / "tokenizer.model").write_bytes(b"others")
    assert "tokenizer.model: its tokenizer is another" in refused(base, sent, tmp_path)
    (sent / "tokenizer.model").unlink()
    (sent / "tokenizer.json").write_text("{}", encoding="utf-8")
    assert lacks(refused(base, sent, tmp_path), "tokenizer.json: ", "cannot be opened") == []
    (sent / "tokenizer.json").unlink()
    (sent / "vocab.json").write_text('{"the": "one"}', encoding="utf-8")
    assert "vocab.json: no readable vocabulary: 'the' has no number" in refused(base, sent, tmp_path)


def test_config_of_peft_that_is_no_mapping(sent: Path, bert: Path, tmp_path: Path) -> None:
    (sent / CONFIG).write_text('["peft_type"]', encoding="utf-8")
    assert CONFIG in refused(bert, sent, tmp_path)
