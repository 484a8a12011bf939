"""Whole models that transformers wrote come in, and answer as its classes do; what does not fit is one message."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.studies.compositions.entry import Source, alternatives
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.elsewhere.identity import key_of
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.network import completed
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError, UnsafeConfigError
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import backbone_of, open_adapter
from tests.checkpoints import BART, LLAMA, T5, saved
from tests.elsewhere.senders import TEXTS, agree, drawn
from tests.messages import naming
from tests.streams import write_tasks
from tests.tiny_models import WORDS, write_model

SEQUENCES, TOKENS = "AutoModelForSequenceClassification", "AutoModelForTokenClassification"
LABELS = {0: "fruit", 1: "animal", 2: "other"}
THREE = {"num_labels": 3, "id2label": LABELS, "label2id": {name: number for number, name in LABELS.items()}}
SMALL = "20KB"  # of a shard: some ten of them


def sent(
    base: Path, folder: Path, loader: str, shards: str = "5GB", dtype: Any = torch.float32, **options: Any
) -> Tensor:
    """Write a whole model that began as ``base``, with its tokenizer; return its logits of all texts."""
    torch.manual_seed(0)
    own = getattr(transformers, loader)
    model = own.from_pretrained(base, **options)
    drawn(model, spread=0.05)
    model.to(dtype).save_pretrained(folder, max_shard_size=shards)
    transformers.AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return logits_of(own.from_pretrained(folder, dtype=torch.float32), base)


def logits_of(model: Any, base: Path) -> Tensor:
    """Return what a model of transformers computes of all texts."""
    batch = open_backbone(str(base)).tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits: Tensor = model.eval()(**completed(model.config, dict(batch))).logits
    return logits


def here(stored: StoredAdapter) -> Tensor:
    """Return the logits of all texts that the adapter computes."""
    backbone = backbone_of(stored)
    model = open_adapter(stored, backbone)
    with torch.inference_mode():
        logits: Tensor = model(**tokenise(backbone.tokenizer, TEXTS, padding=True, return_tensors="pt"))["logits"]
    return logits


def taken_in(folder: Path, workspace: Path, backbone: Path | str | None = None, **options: Any) -> StoredAdapter:
    return Workbench(workspace, []).exchange.import_adapter(folder, backbone and str(backbone), **options)


@pytest.mark.parametrize("backbone", ["named", "its own", "linked"])
@pytest.mark.parametrize(
    ("loader", "dtype", "shards"),
    [
        (SEQUENCES, torch.float32, "5GB"),
        (SEQUENCES, torch.bfloat16, SMALL),
        (SEQUENCES, torch.float16, "5GB"),
        (TOKENS, torch.float32, SMALL),
    ],
)
def test_classifiers_answer_as_the_class_does(
    loader: str, dtype: Any, shards: str, backbone: str, bert: Path, tmp_path: Path
) -> None:
    wanted = sent(bert, tmp_path / "sent", loader, shards, dtype, **THREE)
    name = str(bert) if backbone == "named" else None
    stored = taken_in(tmp_path / "sent", tmp_path / "ws", name, link=backbone == "linked")
    manifest = stored.manifest
    assert (manifest.method, manifest.task.labels) == ("full", ("fruit", "animal", "other"))
    assert (manifest.backbone.name, bool(manifest.linked)) == (name or ITSELF, backbone == "linked")
    assert torch.equal(here(stored), wanted)
    if backbone == "named":
        [file] = stored.folder.glob("model*.safetensors")
        assert {tensor.dtype for tensor in load_file(file).values()} == {dtype}


@pytest.mark.parametrize(
    ("base", "loader", "dtype", "shards"),
    [
        ("llama", "AutoModelForCausalLM", torch.float32, SMALL),
        ("llama", "AutoModelForCausalLM", torch.bfloat16, "5GB"),
        ("t5", "AutoModelForSeq2SeqLM", torch.float32, SMALL),
    ],
)
@pytest.mark.parametrize("link", [False, True])
def test_language_models_answer_as_the_class_does(
    base: str, loader: str, dtype: Any, shards: str, link: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model: Path = request.getfixturevalue(base)
    wanted = sent(model, tmp_path / "sent", loader, shards, dtype)
    stored = taken_in(tmp_path / "sent", tmp_path / "ws", link=link)
    assert stored.manifest.task.kind == {"llama": "causal-lm", "t5": "seq2seq"}[base]
    assert torch.equal(here(stored), wanted)
    bench = Workbench(tmp_path / "ws", [])
    assert bench.predict(stored.id, ["the cat"])[0].adapter == stored.id
    bench.exchange.export(stored.id, tmp_path / "back", merge=True)
    back = getattr(transformers, loader).from_pretrained(tmp_path / "back", dtype=torch.float32)
    assert torch.equal(logits_of(back, model), wanted)


def test_a_language_model_has_its_own_output_layer(llama: Path, tmp_path: Path) -> None:
    sent(llama, tmp_path / "sent", "AutoModelForCausalLM")
    with pytest.raises(InputError, match=r"its output layer .*\n.*leave --backbone out"):
        taken_in(tmp_path / "sent", tmp_path / "ws", llama)
    tensors = load_file(tmp_path / "sent" / "model.safetensors")
    tensors["lm_head.weight"] = load_file(llama / "model.safetensors")["lm_head.weight"]
    save_file(tensors, tmp_path / "sent" / "model.safetensors", {"format": "pt"})
    alone, based = (taken_in(tmp_path / "sent", tmp_path / "ws", name) for name in (ITSELF, llama))
    assert torch.equal(here(alone), here(based))
    with pytest.raises(InputError, match=naming("whole model", "LoRA")):
        Workbench(tmp_path / "ws", []).exchange.export_for_servers(alone.id, tmp_path / "vllm")


HEADS: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {  # class → config, layers, pooling
    "Roberta": ({"max_position_embeddings": 70}, ("linear", "tanh", "linear"), "first"),
    "DistilBert": (
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
        ("linear", "relu", "linear"),
        "first",
    ),
    "Electra": ({"embedding_size": 32}, ("linear", "gelu", "linear"), "first"),
    "ModernBert": ({"cls_token_id": 2, "sep_token_id": 3}, ("linear", "gelu", "norm", "linear"), "first"),
    "GPT2": ({"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}, ("linear",), "last"),
    "Llama": (LLAMA, ("linear",), "last"),
    "T5": (T5, ("linear", "tanh", "linear"), "last"),
    "Bart": (BART, ("linear", "tanh", "linear"), "last"),
}


@pytest.mark.parametrize("model_class", HEADS)
def test_heads_of_other_classes_are_repeated(model_class: str, llama: Path, tmp_path: Path) -> None:
    keys, layers, pooling = HEADS[model_class]
    own = f"{model_class}ForSequenceClassification"
    options = {"intermediate_size": 64, "eos_token_id": 3, "bos_token_id": 2, "problem_type": None}
    small = {"initializer_range": 0.3, **options, **keys, **THREE}
    folder = saved(own, llama, tmp_path / "sent", **small)
    words = json.loads((folder / "tokenizer_config.json").read_text())
    words["model_input_names"] = ["input_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    model = getattr(transformers, own).from_pretrained(folder)
    stored = taken_in(folder, tmp_path / "ws")
    assert stored.manifest.head is not None
    assert (stored.manifest.head.layers, stored.manifest.head.pooling) == (layers, pooling)
    assert agree(here(stored), logits_of(model, folder), pooling)


def test_weights_on_a_base_model_may_be_several_files(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.workbench.answering.elsewhere.body_weights.SHARD", 20_000)
    wanted = sent(bert, tmp_path / "sent", SEQUENCES, **THREE)
    stored = taken_in(tmp_path / "sent", tmp_path / "ws", bert)
    files = sorted(stored.folder.glob("model-*.safetensors"))
    assert len(files) > 2
    assert torch.equal(here(stored), wanted)
    held = load_file(files[0])
    held.pop(min(held))
    save_file(held, files[0])
    with pytest.raises(InputError, match=r"the weights of .* are missing"):
        here(stored)


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_the_problem_type_tells_the_kind(problem: str, bert: Path, tmp_path: Path) -> None:
    options = {"num_labels": 1} if problem == "regression" else THREE
    wanted = sent(bert, tmp_path / "sent", SEQUENCES, problem_type=problem, **options)
    stored = taken_in(tmp_path / "sent", tmp_path / "ws")
    kind = {"regression": "regression"}.get(problem, "multilabel")
    program = (stored.folder / "README.md").read_text(encoding="utf-8")
    assert {"regression": 'function_to_apply="none"', "multilabel": "top_k=None"}[kind] in program
    assert (stored.manifest.task.kind, len(stored.manifest.task.labels)) == (kind, 0 if kind == "regression" else 3)
    assert torch.equal(here(stored), wanted)


def test_labels_are_matched_by_name(bert: Path, tmp_path: Path) -> None:
    wanted = sent(bert, tmp_path / "sent", SEQUENCES, num_labels=2, id2label={0: "plant", 1: "beast"})
    tasks = write_tasks(tmp_path)
    bench = Workbench(tmp_path / "ws", [tasks])
    with pytest.raises(InputError, match=naming("labels", "animals")):
        bench.exchange.import_adapter(tmp_path / "sent", task="animals")
    first, second = bench.exchange.import_adapter(
        tmp_path / "sent", task="animals", labels=("second", "first")
    ).manifest.task.labels
    assert (first, second) == ("first", "second")
    [stored] = [bench.workspace.adapters.get(name) for name in bench.workspace.adapters.ids()]
    assert torch.equal(here(stored), wanted[:, [1, 0]])


def test_the_card_has_a_program_that_answers(bert: Path, tmp_path: Path) -> None:
    wanted = sent(bert, tmp_path / "sent", SEQUENCES, **THREE).softmax(-1).max(-1)
    stored = taken_in(tmp_path / "sent", tmp_path / "ws")
    _, program, _ = (stored.folder / "README.md").read_text(encoding="utf-8").split("```")
    names: dict[str, Any] = {"folder": str(stored.folder), "texts": TEXTS, "answers": []}
    exec(program.removeprefix("python").replace("print(", "answers.extend("), names)
    assert [answer["label"] for answer in names["answers"]] == [LABELS[int(number)] for number in wanted.indices]
    assert [answer["score"] for answer in names["answers"]] == pytest.approx(wanted.values.tolist(), abs=1e-6)


def config(folder: Path, **keys: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def tensors(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    held = load_file(folder / "model.safetensors")
    change(held)
    save_file(held, folder / "model.safetensors", {"format": "pt"})


def renamed(folder: Path, old: str, new: str) -> None:
    (folder / old).rename(folder / new)


def other_words(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    words = content["model"]["vocab"]
    words["cat"], words["dog"] = words["dog"], words["cat"]
    path.write_text(json.dumps(content))


def without_tokenizer(folder: Path) -> None:
    for path in folder.glob("*token*.json"):
        path.unlink()


BOTH, BASE, ALONE = ("base", "alone"), ("base",), ("alone",)
MISTAKES: dict[str, tuple[Callable[[Path], Any], str, tuple[str, ...]]] = {
    "NaN": (
        lambda folder: tensors(folder, lambda held: held["classifier.weight"].fill_(float("nan"))),
        "holds NaN or infinity",
        BOTH,
    ),
    "no head": (
        lambda folder: tensors(folder, lambda held: held.pop("classifier.weight")),
        "the weights have no classifier.weight",
        BOTH,
    ),
    "a number for a head": (
        lambda folder: tensors(folder, lambda held: held.update({"classifier.weight": torch.ones(())})),
        "the weights have no classifier.weight",
        BOTH,
    ),
    "no bias": (
        lambda folder: tensors(folder, lambda held: held.pop("classifier.bias")),
        "classifier.bias is missing in the weights",
        BOTH,
    ),
    "one tensor more": (
        lambda folder: tensors(folder, lambda held: held.update({"classifier.gate": torch.zeros(2)})),
        "weights hold classifier.gate",
        BOTH,
    ),
    "more labels": (
        lambda folder: config(folder, id2label={str(number): f"l{number}" for number in range(4)}),
        "its head has 3 labels, and 4 are named",
        BOTH,
    ),
    "labels without numbers": (lambda folder: config(folder, id2label={"a": "b"}), "id2label names no labels", BOTH),
    "code": (lambda folder: config(folder, auto_map={"AutoModel": "code.Model"}), "auto_map", BOTH),
    "a class of its own": (
        lambda folder: config(folder, architectures=["MyBertForSequenceClassification"]),
        "transformers has no MyBertForSequenceClassification of the type bert",
        BOTH,
    ),
    "questions": (
        lambda folder: config(folder, architectures=["BertForQuestionAnswering"]),
        "the head in this folder is for question answering, which is not a kind of task here",
        BOTH,
    ),
    "no class": (lambda folder: config(folder, architectures=[]), "the config names no class", BOTH),
    "other words": (other_words, "its tokenizer is another one: 'dog', number 5 here, has number 6 there", BASE),
    "no tokenizer": (without_tokenizer, "there is no tokenizer beside this model", ALONE),
    "pickles": (
        lambda folder: renamed(folder, "model.safetensors", "pytorch_model.bin"),
        "pickled weights are not read\n(.*\n)*.*weights_only=True",
        BOTH,
    ),
    "cut short": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"12345678{}"),
        "the weights cannot be opened",
        BOTH,
    ),
}


@pytest.fixture(scope="module")
def three(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of three labels."""
    folder = tmp_path_factory.mktemp("three") / "sent"
    sent(bert, folder, SEQUENCES, **THREE)
    return folder


@pytest.mark.parametrize(("mistake", "on"), [(name, on) for name, (_, _, ons) in MISTAKES.items() for on in ons])
def test_what_is_wrong_is_one_message(mistake: str, on: str, three: Path, bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(three, tmp_path / "sent")
    change, message, _ = MISTAKES[mistake]
    change(folder)
    with pytest.raises(InputError, match=message):
        taken_in(folder, tmp_path / "ws", bert if on == "base" else None)
    assert not (tmp_path / "ws" / "adapters").exists()


@pytest.mark.parametrize(
    ("keys", "words", "message"),
    [
        ({"hidden_size": 16}, 5, r"embeddings\.word_embeddings\.weight is 31 × 16, that of the backbone 31 × 32"),
        ({"num_hidden_layers": 1}, 5, r"it has no encoder\.layer\.1\.attention"),
        ({"num_hidden_layers": 3}, 5, r"the backbone has no encoder\.layer\.2\.attention"),
        ({}, 9, "its vocabulary .*35 tokens, .* 31"),
        ({"hidden_act": "relu"}, 5, "differ from the sender's|cannot be repeated here"),
    ],
)
def test_a_model_of_another_base_is_refused(
    keys: dict[str, Any], words: int, message: str, bert: Path, tmp_path: Path
) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    size = {"vocab_size": len(WORDS) + words, "num_labels": 3, "id2label": LABELS}
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    own = BertConfig(max_position_embeddings=64, initializer_range=0.3, **{**sizes, **size, **keys})
    write_model(tmp_path / "sent", BertForSequenceClassification, own)
    with pytest.raises(InputError, match=message):
        taken_in(tmp_path / "sent", tmp_path / "ws", bert)
    assert taken_in(tmp_path / "sent", tmp_path / "ws").manifest.is_whole


def test_a_model_of_another_architecture_is_refused(three: Path, llama: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=naming("architecture is bert", "backbone llama")):
        taken_in(three, tmp_path / "ws", llama)


def test_the_two_lines_convert_a_pickle(bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sent"
    wanted = sent(bert, folder, SEQUENCES, **THREE)
    held = load_file(folder / "model.safetensors")
    held["bert.tied"] = held["classifier.bias"]  # two names of one tensor, which safetensors refuses to write
    names = sorted(held)
    for part, some in enumerate((names[:9], names[9:]), 1):
        torch.save({name: held[name] for name in some}, folder / f"pytorch_model-0000{part}-of-00002.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsafeConfigError) as several:
        taken_in(folder, tmp_path / "ws")
    torch.save(held, folder / "pytorch_model.bin")
    for path in folder.glob("pytorch_model-*"):
        path.rename(path.with_suffix(".kept"))
    with pytest.raises(UnsafeConfigError) as alone:
        taken_in(folder, tmp_path / "ws")
    for caught, kept in ((alone, ()), (several, folder.glob("*.kept"))):
        for path in kept:
            path.rename(path.with_suffix(".bin"))
        program = "\n".join(line.strip() for line in str(caught.value).splitlines()[-2:])
        exec(program, {})
        tensors(folder, lambda held: held.pop("bert.tied"))
        stored = taken_in(folder, tmp_path / f"ws-{len(program)}")
        assert torch.equal(here(stored), wanted)
        (folder / "model.safetensors").unlink()


def test_what_is_linked_is_a_whole_model_on_its_own(three: Path, bert: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=naming("linked model", "its own backbone")):
        taken_in(three, tmp_path / "ws", bert, link=True)
    from peft import LoraConfig, TaskType

    from tests.elsewhere.senders import sent_by_peft

    sent_by_peft(bert, tmp_path / "lora", LoraConfig(task_type=TaskType.SEQ_CLS), num_labels=3)
    with pytest.raises(InputError, match=naming("peft", "adapter", "copied")):
        taken_in(tmp_path / "lora", tmp_path / "ws", bert, link=True, labels=("a", "b", "c"))
    assert not (tmp_path / "ws" / "adapters").exists()


def test_the_base_that_a_card_names_is_taken_where_it_is_known(
    three: Path, llama: Path, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"owner/bert": str(bert), "owner/llama": str(llama)}
    monkeypatch.setattr(
        "adapter_workbench.experiments.answers.known_here.KnownHere.named_on_hub", lambda self, name: known.get(name)
    )
    folder = shutil.copytree(three, tmp_path / "sent")
    (folder / "README.md").write_text("---\nbase_model: owner/bert\n---\n")
    assert taken_in(folder, tmp_path / "ws").manifest.backbone.name == str(bert)
    (folder / "README.md").write_text("---\nbase_model: owner/llama\n---\n")
    with pytest.raises(InputError, match=r"its architecture is bert.*\n.*--backbone itself"):
        taken_in(folder, tmp_path / "ws")
    assert taken_in(folder, tmp_path / "ws", ITSELF).manifest.is_whole
    sent(llama, tmp_path / "lm", "AutoModelForCausalLM")
    (tmp_path / "lm" / "README.md").write_text("---\nbase_model: [owner/llama]\n---\n")
    assert taken_in(tmp_path / "lm", tmp_path / "ws").manifest.is_whole  # it has its own output layer


def test_a_folder_with_other_words_is_another_one(tmp_path: Path) -> None:
    keys = set()
    for words in ("cat dog", "dog cat"):
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / "vocab.txt").write_text(words)
        keys.add(key_of(tmp_path))
    assert [*map(len, keys)] == [64, 64], "a whole SHA-256: keys of evaluations are made of it"


def test_a_fuse_of_whole_models_has_no_average_beside_it() -> None:
    for method, has in (("lora", True), ("full", False)):
        source = Source("animals", method, METHODS.get(method).settings(), "identity", f"animals-{method}")
        assert ("average" in [entry.role for entry in alternatives([source], {})]) == has


def test_a_linked_model_is_told(three: Path, tmp_path: Path, call: Any) -> None:
    shutil.copytree(three, tmp_path / "sent")
    code, out, err = call("adapters", "import", "sent", "--link", "--json")
    assert code == 0, err
    name, folder = json.loads(out)["adapter"], str(tmp_path / "sent")
    assert json.loads(out)["linked"] == folder
    assert ", linked" in call("adapters", "list")[1]
    assert "linked" in call("adapters", "show", name)[1]
    assert "verified" in call("adapters", "verify")[1]
    (tmp_path / "sent" / "config.json").unlink()
    code, _, err = call("predict", name, "the cat")
    assert (code, "config.json is missing" in err) == (1, True)
    assert call("adapters", "verify")[0] == 1


def test_a_model_that_was_copied_is_not_linked_in_silence(three: Path, tmp_path: Path, call: Any) -> None:
    shutil.copytree(three, tmp_path / "sent")
    name = json.loads(call("adapters", "import", "sent", "--json")[1])["adapter"]
    code, out, err = call("adapters", "import", "sent", "--link")
    assert (code, out) == (2, "")
    assert "--link" in err and "was copied" in err and f"adapters remove {name}" in err
    assert call("adapters", "remove", name)[0] == 0
    assert call("adapters", "import", "sent", "--link")[0] == 0
    for options in ((), ("--link",)):
        code, out, err = call("adapters", "import", "sent", *options)
        assert code == 0, err
        assert f"files stay in {tmp_path / 'sent'}" in " ".join(out.split())
    _, out, _ = call("adapters", "export", name, "exported")
    code, _, err = call("adapters", "import", "exported", "--link")
    assert (code, "--link" in err and "is copied" in err) == (2, True)


@pytest.mark.parametrize("backbone", ["named", "its own", "linked"])
@pytest.mark.parametrize("form", [None, "sequence-classification"])
def test_a_model_is_written_back_as_it_came(
    backbone: str, form: str | None, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.workbench.answering.elsewhere.body_weights.SHARD", 20_000 if form else 2**31)
    names = {0: "second", 1: "first"}  # the task has them in the other order
    sent(bert, tmp_path / "sent", SEQUENCES, dtype=torch.bfloat16, num_labels=2, id2label=names)
    bench = Workbench(tmp_path / "ws", [write_tasks(tmp_path)])
    name = str(bert) if backbone == "named" else None
    stored = bench.exchange.import_adapter(tmp_path / "sent", name, task="animals", link=backbone == "linked")
    bench.exchange.export(stored.id, tmp_path / "back", merge=True, form=form)
    then, now = (
        transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / folder, output_loading_info=True)
        for folder in ("sent", "back")
    )
    assert now[1]["missing_keys"] == now[1]["unexpected_keys"] == then[1]["missing_keys"]
    assert now[0].config.id2label == names
    weights = now[0].state_dict()
    assert weights.keys() == then[0].state_dict().keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in then[0].state_dict().items())
    assert now[0].dtype is then[0].dtype
    assert "pipeline(" in (tmp_path / "back" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("link", [False, True])
def test_an_exported_whole_model_opens_with_its_class_and_comes_in_again(
    link: bool, three: Path, tmp_path: Path
) -> None:
    stored = taken_in(three, tmp_path / "ws", link=link)
    Workbench(tmp_path / "ws", []).exchange.export(stored.id, tmp_path / "out")
    again = taken_in(tmp_path / "out", tmp_path / "other")
    assert again.identity == stored.identity
    assert torch.equal(here(again), here(stored))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert model.config.id2label == LABELS
