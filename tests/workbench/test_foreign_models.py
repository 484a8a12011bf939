"""Folders of models as somebody else may send them: nothing of them runs, and what does not fit is one message."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.workbench.backbone import fingerprints
from adapter_workbench.workbench.backbone.checkpoint import require_whole
from adapter_workbench.workbench.backbone.config import config_object, text_types
from adapter_workbench.workbench.backbone.model_folder import READ
from adapter_workbench.workbench.backbone.names import base_in, open_backbone
from adapter_workbench.workbench.backbone.tokenizing import texts_of, tokenise
from adapter_workbench.workbench.backbone.transformers_api import is_five
from adapter_workbench.workbench.errors import InputError, UnsafeConfigError
from tests.messages import lacks, naming
from tests.process_memory import as_another_process
from tests.workbench.test_backbone import change

CANARY = "canary"
IGNORED_BY_5 = pytest.mark.skipif(is_five(), reason="transformers 5 opens it as the BERT that its weights are")
BEFORE_5 = pytest.mark.skipif(is_five(), reason="transformers 5 has no such key, and a model that needs it has others")


@pytest.fixture
def copy(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A BERT folder that may be changed, with a module in it that leaves a file behind when it is run."""
    folder = shutil.copytree(bert, tmp_path / "bert")
    code = f"from pathlib import Path\nPath({str(tmp_path / CANARY)!r}).touch()\n"
    for name in ("configuration_evil.py", "modeling_evil.py", "evil.py"):
        (folder / name).write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def opened_whole(folder: Path) -> None:
    """Open everything that a command could open of a backbone."""
    backbone = open_backbone(str(folder))
    assert backbone.config
    assert backbone.tokenizer
    backbone.load()


def refused(folder: Path, expected: type[InputError] = InputError) -> str:
    with pytest.raises(expected) as caught:
        opened_whole(folder)
    message = str(caught.value)
    assert len(message.splitlines()) <= 3
    assert len(message) < 3000
    assert not (folder.parent / CANARY).exists(), "foreign code was run"
    return message


LIGHTGLUE = {
    "model_type": "lightglue",
    "keypoint_detector_config": {"model_type": "evil", "trust_remote_code": True, "auto_map": {"AutoConfig": "evil.C"}},
}


def test_a_config_for_another_version_is_refused(copy: Path) -> None:
    (copy / "config.4.0.0.json").write_text(json.dumps(LIGHTGLUE))
    assert "config.4.0.0.json: " in refused(copy, UnsafeConfigError)
    change(copy, configuration_files=["config.4.0.0.json"])
    assert "configuration_files" in refused(copy, UnsafeConfigError)


def test_a_tokenizer_for_another_version_is_refused(copy: Path) -> None:
    shutil.copy(copy / "tokenizer.json", copy / "tokenizer.4.0.0.json")
    assert "tokenizer.4.0.0.json" in refused(copy, UnsafeConfigError)
    (copy / "tokenizer.4.0.0.json").unlink()
    change(copy, "tokenizer_config.json", fast_tokenizer_files=["tokenizer.4.0.0.json"])
    assert "fast_tokenizer_files" in refused(copy, UnsafeConfigError)


@pytest.fixture
def other(copy: Path) -> Path:
    """The path of a tokenizer outside the folder, in which the words have other numbers."""
    content = json.loads((copy / "tokenizer.json").read_text())
    words = content["model"]["vocab"]
    content["model"]["vocab"] = dict(zip(words, reversed(words.values()), strict=True))
    path = copy.parent / "other.json"
    path.write_text(json.dumps(content))
    return path


def test_a_tokenizer_that_version_5_wrote_is_read(bert: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bert, tmp_path / "copy")
    change(copy, "tokenizer_config.json", tokenizer_class="TokenizersBackend", backend="tokenizers", is_local=True)
    text = "the cat very often"
    assert open_backbone(str(copy)).tokenizer(text) == open_backbone(str(bert)).tokenizer(text)


@pytest.mark.parametrize("key", ["tokenizer_file", "vocab_file", "merges_file", "special_tokens_map_file"])
def test_a_tokenizer_is_that_of_its_folder_whatever_path_its_settings_state(key: str, copy: Path, other: Path) -> None:
    expected = open_backbone(str(copy)).tokenizer.get_vocab()
    for value in (str(other), "/root/.cache/huggingface/hub/tokenizer.json", "../other.json", None):
        change(copy, "tokenizer_config.json", **{key: value})
        tokenizer = open_backbone(str(copy)).tokenizer
        assert tokenizer.get_vocab() == expected
        assert getattr(tokenizer, "vocab_file", None) != value or value is None


@pytest.mark.parametrize(
    ("file", "keys", "named"),
    [
        ("special_tokens_map.json", {"tokenizer_file": "other.json"}, "tokenizer_file"),
        ("tokenizer_config.json", {"init_inputs": ["other.json"]}, "init_inputs"),
        ("tokenizer_config.json", {"sp_model_kwargs": {"model_file": "other.json"}}, "sp_model_kwargs"),
    ],
)
def test_a_path_that_cannot_be_set_aside_is_refused(copy: Path, file: str, keys: dict[str, Any], named: str) -> None:
    usual = {"init_inputs": [], "sp_model_kwargs": {}, "vocab": {"a": 0}, "tokenizer_file": None}
    opened_whole(change(copy, "tokenizer_config.json", **usual))
    assert lacks(refused(change(copy, file, **keys), UnsafeConfigError), file, named, "other.json") == []


def test_a_tokenizer_in_python_is_read_from_its_folder(copy: Path, other: Path) -> None:
    """Without a tokenizer.json transformers 4 opens what its settings state; tokenizer_file is not among it."""
    words = json.loads((copy / "tokenizer.json").read_text())["model"]["vocab"]
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.txt").write_text("\n".join(sorted(words, key=words.__getitem__)))
    change(copy, "tokenizer_config.json", tokenizer_class="BertTokenizer", tokenizer_file=str(other))
    assert open_backbone(str(copy)).tokenizer.get_vocab() == words
    change(copy, "tokenizer_config.json", vocab_file=str(other))
    assert lacks(refused(copy, UnsafeConfigError), "tokenizer_config.json", "vocab_file", str(other)) == []


@pytest.mark.parametrize("file", ["config.json", *READ])
@pytest.mark.parametrize("nested", [False, True])
def test_code_is_refused_in_every_file_that_a_loader_reads(copy: Path, file: str, nested: bool) -> None:
    wanted = {"auto_map": {"AutoConfig": "configuration_evil.C", "AutoModel": "modeling_evil.M"}}
    change(copy, file, **({"part": [wanted]} if nested else wanted))
    assert "auto_map" in refused(copy, UnsafeConfigError)


@pytest.mark.parametrize("kind", ["lightglue", "clip", "whisper", "llava", "vit", "encoder-decoder"])
def test_only_models_that_read_texts_are_opened(copy: Path, kind: str) -> None:
    assert f"{kind} is not a transformer" in refused(change(copy, model_type=kind))


def test_an_architecture_whose_tokenizer_reads_pickles_is_not_opened(copy: Path) -> None:
    message = "model type 'transfo-xl'" if is_five() else "transfo-xl is not a transformer"
    assert message in refused(change(copy, model_type="transfo-xl"))


def test_the_usual_architectures_are_among_them() -> None:
    usual = {"bert", "roberta", "distilbert", "deberta-v2", "modernbert", "electra", "albert", "xlm-roberta", "mpnet"}
    usual |= {"gpt2", "gpt_neox", "llama", "mistral", "mixtral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3"}
    assert usual | {"t5", "mt5", "bart", "mbart"} <= text_types()


@pytest.mark.parametrize(
    "keys",
    [
        {"model_type": 3},
        {"model_type": "nonsense"},
        {"architectures": [3], "model_type": []},
        *({"hidden_size": size} for size in (0, -1, 10**12, "32", 32.5, True, [], {})),
        *({"num_hidden_layers": size} for size in (0, -1, 10**6, "two")),
        *({"num_attention_heads": size} for size in (0, 5, 10**9)),
        *({"vocab_size": size} for size in (0, -3, 10**12)),
        {"vocab_size": 3},
        {"max_position_embeddings": -5},
        {"intermediate_size": 10**15},
        {"layer_norm_eps": "small"},
        {"layer_norm_eps": None},
        {"layer_norm_eps": []},
        {"layer_norm_eps": [1e-12, 1e-12]},
        {"hidden_act": None},
        {"is_decoder": None},
        pytest.param({"is_encoder_decoder": True}, marks=IGNORED_BY_5),
        {"model_type": "xlnet"},
        {"layer_norm_eps": float("nan")},
        {"hidden_act": "nonsense"},
        {"hidden_act": 7},
        {"hidden_dropout_prob": 7},
        {"hidden_dropout_prob": float("inf")},
        {"pad_token_id": 10**7},
        {"is_decoder": "yes"},
        {"model_type": "llama", "rope_theta": "large"},
        {"model_type": "llama", "rope_scaling": [3]},
        {"model_type": "llama", "rope_parameters": {"rope_theta": []}},
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        pytest.param({"pruned_heads": {"a": [1]}}, marks=BEFORE_5),
    ],
    ids=str,
)
def test_a_value_that_no_config_has_is_one_message(copy: Path, keys: dict[str, Any]) -> None:
    refused(change(copy, **keys))


@pytest.mark.parametrize(
    "keys",
    [
        {"num_hidden_layers": 1},
        {"num_hidden_layers": 3},
        {"hidden_size": 64},
        {"intermediate_size": 32},
        {"vocab_size": 1000},
        {"max_position_embeddings": 128},
        {"type_vocab_size": 5},
        pytest.param({"position_embedding_type": "relative_key"}, marks=BEFORE_5),
        {"model_type": "distilbert"},
        {"model_type": "llama"},
    ],
    ids=str,
)
def test_sizes_that_are_not_those_of_the_weights_are_one_message(copy: Path, keys: dict[str, Any]) -> None:
    assert str(copy) in refused(change(copy, **keys))


LLAMA3 = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3 |= {"original_max_position_embeddings": 8192}
MODERN = {
    "full_attention": {"rope_type": "default", "rope_theta": 80_000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 5_000.0},
}
ROTARY = [  # the keys of version 4, and what version 5 makes of them
    ("llama", {"rope_theta": 5e5, "rope_scaling": LLAMA3}, {**LLAMA3, "rope_theta": 5e5}),
    ("qwen2", {"rope_theta": 1e6, "rope_scaling": None}, {"rope_type": "default", "rope_theta": 1e6}),
    (
        "phi",
        {"rope_theta": 2e4, "partial_rotary_factor": 0.4},
        {"rope_type": "default", "rope_theta": 2e4, "partial_rotary_factor": 0.4},
    ),
    (
        "gpt_neox",
        {"rotary_emb_base": 5e4, "rotary_pct": 0.5},
        {"rope_type": "default", "rope_theta": 5e4, "partial_rotary_factor": 0.5},
    ),
    ("modernbert", {"global_rope_theta": 80_000.0, "local_rope_theta": 5_000.0}, MODERN),
    ("gemma3_text", {"rope_theta": 80_000.0, "rope_local_base_freq": 5_000.0}, MODERN),
]


@pytest.mark.parametrize("written_by", [4, 5])
@pytest.mark.parametrize(("kind", "old", "new"), ROTARY, ids=[kind for kind, *_ in ROTARY])
def test_rotary_positions_are_those_of_the_file_whatever_version_wrote_it(
    kind: str, old: dict[str, Any], new: dict[str, Any], written_by: int
) -> None:
    stated = old if written_by == 4 else {"rope_parameters": new}
    config = config_object({"model_type": kind, **stated}, "here").to_dict()
    expected = {"rope_parameters": new} if is_five() else old
    assert {name: config[name] for name in expected} == expected


@BEFORE_5
@pytest.mark.parametrize(
    "stated", [{"rope_theta": 2e4}, {"full_attention": {"rope_type": "yarn"}, "other": {}}, {"a": 3}]
)
def test_rotary_positions_that_version_4_cannot_have_are_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"here: rope_parameters: transformers 4 cannot read .*\n.*Use transformers 5"):
        config_object({"model_type": "bert", "rope_parameters": stated}, "here")


@pytest.mark.parametrize(
    "keys",
    [
        {"return_dict": False, "output_hidden_states": True, "torchscript": True, "torch_dtype": "nonsense"},
        {"num_labels": 10**9, "problem_type": "nonsense", "id2label": 3, "use_cache": "no"},
        {"chunk_size_feed_forward": 7},
        {"task_specific_params": 3, "architectures": [3], "a_key_of_another_library": {"deep": [1]}},
    ],
)
def test_what_the_workbench_decides_by_itself_is_not_taken_from_a_config(copy: Path, keys: dict[str, Any]) -> None:
    wanted = open_backbone(str(copy)).fingerprint
    assert open_backbone(str(change(copy, **keys))).fingerprint == wanted


@pytest.mark.parametrize("content", [b"", b"{", b"\x00" * 100, b"[]", b"null", b"3", b'{"a":' * 5000], ids=len)
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"])
def test_a_broken_file_is_one_message_with_its_name(copy: Path, file: str, content: bytes) -> None:
    (copy / file).write_bytes(content)
    assert copy.name in refused(copy)


def test_a_pipe_or_a_device_in_place_of_a_file_does_not_hang(copy: Path) -> None:
    (copy / "config.json").unlink()
    os.mkfifo(copy / "config.json")
    refused(copy)
    (copy / "config.json").unlink()
    (copy / "config.json").symlink_to("/dev/zero")
    refused(copy)


def test_a_card_of_any_size_is_not_read(copy: Path) -> None:
    (copy / "README.md").write_text("---\nlicense: mit\n---\n")
    assert open_backbone(str(copy)).license == "mit"
    os.truncate(copy / "README.md", 1 << 40)
    assert open_backbone(str(copy)).license is None


@pytest.mark.parametrize(
    "missing",
    [("tokenizer.json",), pytest.param(("tokenizer.json", "tokenizer_config.json"), marks=BEFORE_5)],
)
def test_a_model_without_a_tokenizer_is_one_message(copy: Path, missing: tuple[str, ...]) -> None:
    for file in missing:
        (copy / file).unlink()
    assert "tokenizer cannot be opened" in refused(copy)


@pytest.mark.parametrize("length", [0, -3, "long", True])
def test_a_tokenizer_whose_length_is_none_is_one_message(copy: Path, length: object) -> None:
    assert "tokenizer" in refused(change(copy, "tokenizer_config.json", model_max_length=length))


def test_a_tokenizer_of_a_larger_model_is_one_message(copy: Path) -> None:
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] |= {f"word{number}": 1000 + number for number in range(100)}
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "numbers up to" in refused(copy)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_weights_that_are_cut_short_are_one_message(copy: Path) -> None:
    cut(copy / "model.safetensors")
    assert "model.safetensors: the weights " in refused(copy)


def test_weights_of_other_names_are_not_drawn_anew(copy: Path) -> None:
    weights = copy / "model.safetensors"
    save_file({f"other.{name}": tensor for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})
    assert "be random numbers" in refused(copy)


@BEFORE_5
def test_a_gemma_3_that_version_4_cannot_open_is_told_what_can() -> None:
    config = config_object({"model_type": "gemma3_text", "num_hidden_layers": 1}, "here")
    keys = {"missing_keys": ["embed_tokens.weight"], "unexpected_keys": ["model.embed_tokens.weight"]}
    with pytest.raises(InputError, match=r"1 of the model's tensors .*\n.*Use transformers 5"):
        require_whole(Path("gemma"), config, keys)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_one_message(copy: Path, number: float) -> None:
    weights = copy / "model.safetensors"
    tensors = load_file(weights)
    tensors["encoder.layer.1.output.dense.weight"][2, 3] = number
    save_file(tensors, weights, {"format": "pt"})
    message = f"{weights}: the tensor encoder.layer.1.output.dense.weight holds NaN or infinity"
    assert message in refused(copy)
    for name in (str(copy), f"{copy}:int8"):
        with pytest.raises(InputError, match="holds NaN or infinity"):
            open_backbone(name).load()
        with pytest.raises(InputError, match="holds NaN or infinity"):
            assert open_backbone(name).fingerprint


def test_weights_are_looked_at_once_for_each_state_of_their_files(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = time.time() - 100
    for path in copy.iterdir():
        os.utime(path, (long_ago, long_ago))
    monkeypatch.setattr(fingerprints, "SETTLED", -1.0)
    looked: list[Path] = []
    monkeypatch.setattr(fingerprints, "require_finite", looked.append)
    backbone = open_backbone(str(copy))
    assert backbone.load()
    assert backbone.fingerprint
    assert open_backbone(str(copy)).load()
    as_another_process(monkeypatch)
    assert open_backbone(str(copy)).load()
    assert looked == [copy / "model.safetensors"], "another process knows it by the remembered fingerprint"


def test_one_missing_tensor_is_not_drawn_anew(copy: Path) -> None:
    weights = copy / "model.safetensors"
    tensors = load_file(weights)
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, weights, {"format": "pt"})
    assert "encoder.layer.1.output.dense.weight" in refused(copy)


def test_a_tensor_of_another_shape_is_one_message(copy: Path) -> None:
    weights = copy / "model.safetensors"
    changed = load_file(weights)
    changed["encoder.layer.1.output.dense.weight"] = torch.zeros(3, 3)
    save_file(changed, weights, {"format": "pt"})
    refused(copy)


def index(folder: Path, file: str) -> None:
    names = dict.fromkeys(load_file(folder / "model.safetensors"), file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


@pytest.mark.parametrize("file", ["weights.bin", "../outside.safetensors", "/etc/passwd", "sub/model.safetensors"])
def test_an_index_names_safetensors_of_its_folder_only(copy: Path, file: str) -> None:
    torch.save(load_file(copy / "model.safetensors"), copy / "weights.bin")
    index(copy, file)
    (copy / "model.safetensors").rename(copy.parent / "outside.safetensors")
    assert repr(file) in refused(copy, UnsafeConfigError)


@pytest.mark.parametrize("map_", [{}, 3, None, {"a": 3}, ["model.safetensors"]])
def test_an_index_that_names_nothing_is_one_message(copy: Path, map_: object) -> None:
    (copy / "model.safetensors").rename(copy / "model-00001-of-00001.safetensors")
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": map_}))
    refused(copy)


def test_sharded_weights_are_opened(copy: Path) -> None:
    wanted = open_backbone(str(copy)).fingerprint
    index(copy, "model-00001-of-00001.safetensors")
    (copy / "model.safetensors").rename(copy / "model-00001-of-00001.safetensors")
    assert open_backbone(str(copy)).fingerprint == wanted


def test_a_tensor_that_an_index_names_and_no_file_has_is_one_message(copy: Path) -> None:
    index(copy, "model-00001-of-00001.safetensors")
    tensors = load_file(copy / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, copy / "model-00001-of-00001.safetensors", {"format": "pt"})
    (copy / "model.safetensors").unlink()
    assert "encoder.layer.1.output.dense.weight" in refused(copy)


def test_a_pickle_beside_safetensors_is_not_read(copy: Path) -> None:
    (copy / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch canary'\ntR.")
    opened_whole(copy)
    assert not (copy / CANARY).exists()


def test_pooling_settings_are_checked_too(copy: Path) -> None:
    change(copy, "1_Pooling/config.json", pooling_mode_mean_tokens=True, auto_map={"a": "b"})
    refused(copy, UnsafeConfigError)


def test_a_tokenizer_that_fails_on_words_it_does_not_know_is_one_message(copy: Path) -> None:
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    tokenizer["model"]["unk_token"] = "[NONE]"
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert lacks(refused(copy), "the tokenizer fails when it is tried", "Missing [UNK] token", "tokenizer.json") == []


NESTED = "(a+)+$"  # Python's engine takes for ever to find that it is not in "aaa…!", Rust's panics


@pytest.mark.parametrize(
    ("pattern", "why"),
    [(NESTED, "retry-limit-in-match over"), ("(", "end pattern with unmatched parenthesis"), ("(.*?,){5}P", "retry")],
)
@pytest.mark.parametrize("part", ["pre_tokenizer", "normalizer"])
def test_a_tokenizer_whose_pattern_takes_for_ever_is_refused(copy: Path, part: str, pattern: str, why: str) -> None:
    kind = {
        "pre_tokenizer": {"type": "Split", "behavior": "Isolated", "invert": False},
        "normalizer": {"type": "Replace", "content": " "},
    }
    change(copy, "tokenizer.json", **{part: {**kind[part], "pattern": {"Regex": pattern}}})
    message = refused(copy)
    assert lacks(message, "the tokenizer fails when it is tried", f"{part} 1 ({kind[part]['type']})", why) == []
    assert "tokenizer.json" in message


def test_a_pattern_is_found_however_its_key_is_written(copy: Path) -> None:
    split = {"type": "Split", "pattern": {"Regex": NESTED}, "behavior": "Isolated", "invert": False}
    change(copy, "tokenizer.json", pre_tokenizer=split)
    file = copy / "tokenizer.json"
    file.write_text(file.read_text().replace('"Regex"', r'"\u0052egex"'))
    assert lacks(refused(copy), "pre_tokenizer 1 (Split) fails on a text of", "retry-limit-in-match over") == []


def test_a_tokenizer_with_the_pattern_of_published_models_is_opened(copy: Path) -> None:
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+"  # of Llama 3
    )
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    change(copy, "tokenizer.json", pre_tokenizer=split)
    assert open_backbone(str(copy)).tokenizer("the cat")["input_ids"]


def test_a_tokenizer_that_panics_at_work_is_one_message(copy: Path) -> None:
    class PanicException(BaseException):  # as the bindings of Rust call theirs
        pass

    class Panicking:
        name_or_path = str(copy)

        def __call__(self, *texts: Any, **options: Any) -> Any:
            raise PanicException("called `Option::unwrap()` on a `None` value")

        batch_decode = __call__

    tokenizer: Any = Panicking()
    for call in (tokenise, texts_of):
        with pytest.raises(InputError, match=r"the tokenizer cannot \w+ a text: called `Option::unwrap") as caught:
            call(tokenizer, ["the cat"])
        assert caught.value.where == str(copy)


@pytest.mark.parametrize("is_added", [True, False])
def test_a_text_with_a_token_that_the_model_has_no_embedding_of_is_refused(copy: Path, is_added: bool) -> None:
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    if is_added:
        added = {**tokenizer["added_tokens"][0], "id": 700, "content": "far", "special": False}
        change(copy, "tokenizer.json", added_tokens=[*tokenizer["added_tokens"], added])
    else:
        words = {**tokenizer["model"]["vocab"], "far": 700}
        del words["often"]  # so that there are not more words than embeddings
        change(copy, "tokenizer.json", model={**tokenizer["model"], "vocab": words})
    opened = open_backbone(str(copy)).tokenizer
    assert tokenise(opened, ["the cat"])["input_ids"]
    for texts in (["the cat", "a far"], "a far"):
        with pytest.raises(InputError, match=naming("'far'", "no embedding")):
            tokenise(opened, texts)


def test_a_token_around_a_text_that_the_model_lacks_is_refused(copy: Path) -> None:
    change(copy, "tokenizer.json", post_processor={"type": "BertProcessing", "sep": ["[SEP]", 10**9], "cls": ["a", 2]})
    opened = open_backbone(str(copy)).tokenizer
    assert tokenise(opened, ["the cat"], add_special_tokens=False)["input_ids"]
    for options in ({}, {"return_tensors": "pt"}):
        with pytest.raises(InputError, match="it makes token 1000000000 of a text, but the model has only") as caught:
            tokenise(opened, ["the cat"], **options)
        assert caught.value.where == str(copy)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_half_a_character_in_a_config_is_named(file: str, copy: Path) -> None:
    path = copy / file
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**content, "name": ["😀", "x\ud800"]}), encoding="utf-8")
    with pytest.raises(InputError, match=naming(file, "'name.1' holds half of a Unicode character")):
        open_backbone(str(copy))


def test_a_card_with_half_a_character_says_nothing(copy: Path) -> None:
    """It is optional; what it says of licence and base model is written into manifests."""
    (copy / "README.md").write_text('---\nlicense: "\\ud800"\nbase_model: owner/name\n---\n', encoding="utf-8")
    assert (base_in(copy), open_backbone(str(copy)).license) == (None, None)
