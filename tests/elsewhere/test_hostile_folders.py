"""Folders of other programs, as somebody may send them to do harm: one message each, nothing runs or changes."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.workbench.machine.extras import installed_version
from tests.conftest import Call
from tests.fuzzing.promises import CANARY, content, write_canaries
from tests.fuzzing.senders import WRITERS, sent_folder
from tests.patience import PATIENCE, unrecorded_memory
from tests.tokenizer_parts import FIRST, SPECIAL, change_tokenizer, doubling, normalizers, split, template

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
EXPONENTIAL = r"(\w+\.?)+!"
SLOW = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
GIVES_UP = split("(.*)*(.*)*(.*)*c")
ROOT = Path(__file__).parents[2]
HALF = "x\ud800"
Change = Callable[[Path], Any]


@pytest.fixture(scope="module")
def bases(bert: Path, llama: Path) -> dict[str, Path]:
    return {"bert": bert, "llama": llama}


@pytest.fixture(scope="module")
def sent(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Path]:
    root = tmp_path_factory.mktemp("sent")

    def sent(name: str, target: Path) -> Path:
        return shutil.copytree(sent_folder(name, bases[WRITERS[name][0]], root / name).folder, target)

    return sent


@pytest.fixture
def refused(call: Call, sent: Callable[[str, Path], Path], bases: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    """Return what `adapters import` says of a folder that was changed, after making sure that it did nothing else."""
    monkeypatch.setattr("adapter_workbench.workbench.backbone.module_patterns.SECONDS", 0.1)
    write_canaries(Path())
    monkeypatch.syspath_prepend(str(Path().resolve()))

    def refused(name: str, change: Change, backbone: Sequence[str] = ()) -> str:
        base, _, options = WRITERS[name]
        change(sent(name, Path("sent")))
        before = content(Path())
        backbone = backbone or ["--backbone", str(bases[base])]
        code, out, err = call("adapters", "import", "sent", *backbone, *options)
        assert (code, out) == (2, ""), f"{code} {out}{err}"
        assert "Traceback" not in err
        err = err[err.index("Error: ") :]  # before it, bars of whoever wrote the folder
        assert err.startswith("Error: sent"), err
        assert len(err) < 3000
        assert len(err.splitlines()) < 10, err
        assert content(Path()) == before
        assert not Path(CANARY).exists(), "foreign code was run"
        return err

    return refused


def _says(file: str = CONFIG, **keys: Any) -> Change:
    """Return what changes keys of a JSON file; one that a point parts stands inside another (``config__r``)."""

    def change(folder: Path) -> None:
        document = json.loads((folder / file).read_text(encoding="utf-8"))
        for key, value in keys.items():
            holder = document
            *above, last = key.split("__")
            for part in above:
                holder = holder[part]
            holder[last] = value
        (folder / file).write_text(json.dumps(document), encoding="utf-8")

    return change


def _nested(levels: int) -> Any:
    return {"a": _nested(levels - 1)} if levels else 1


def _instead(file: str, put: Callable[[Path], Any]) -> Change:
    """Return what puts something in a file's place."""

    def change(folder: Path) -> None:
        (folder / file).unlink()
        put(folder / file)

    return change


def _tensor(name: str, make: Callable[[torch.Tensor], torch.Tensor], file: str = WEIGHTS) -> Change:
    """Return what replaces the first tensor with a part of its name."""

    def change(folder: Path) -> None:
        tensors = load_file(folder / file)
        tensor = next(key for key in sorted(tensors) if name in key)
        save_file({**tensors, tensor: make(tensors[tensor]).contiguous()}, folder / file)

    return change


def _renamed(old: str, new: str, file: str = WEIGHTS) -> Change:
    def change(folder: Path) -> None:
        tensors = load_file(folder / file)
        old_name = next(key for key in sorted(tensors) if old in key)
        save_file(
            {**{name: tensor for name, tensor in tensors.items() if name != old_name}, new: tensors[old_name]},
            folder / file,
        )

    return change


def _more(name: str, file: str = WEIGHTS) -> Change:
    def change(folder: Path) -> None:
        tensors = load_file(folder / file)
        save_file({**tensors, name: next(iter(tensors.values())).clone()}, folder / file)

    return change


def _header(folder: Path) -> None:
    """Say that there is a tensor of 100 GB, in a file of some kilobytes."""
    file = folder / WEIGHTS
    whole = file.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    name = next(name for name in header if name != "__metadata__")
    header[name] = {"dtype": "F32", "shape": [25_000, 1_000_000], "data_offsets": [0, 100_000_000_000]}
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length :])


def _modules(path: str) -> Change:
    """Return what makes a model one of sentence-transformers whose pooling lies in a folder of that name."""

    def change(folder: Path) -> None:
        modules = [
            {"type": "sentence_transformers.models.Transformer", "path": ""},
            {"type": "sentence_transformers.models.Pooling", "path": path},
        ]
        (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
        if path.isalpha():
            (folder / path).mkdir()
            (folder / path / "config.json").symlink_to("/etc/hostname")

    return change


def _indexed(folder: Path) -> None:
    """Write an index that names one tensor more than there is."""
    (folder / "model.safetensors").rename(folder / "model.safetensors.part.safetensors")
    part = "model.safetensors.part.safetensors"
    names = dict.fromkeys([*load_file(folder / part), "bert.encoder.layer.0.output.dense.gain"], part)
    index = {"metadata": {}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


FILES: dict[str, tuple[Change, str]] = {
    "a pipe": (_instead(CONFIG, os.mkfifo), "neither an adapter nor a model"),
    "a device": (_instead(CONFIG, lambda path: path.symlink_to("/dev/zero")), f"{CONFIG} is a link"),
    "a link": (
        _instead(CONFIG, lambda path: path.symlink_to("/etc/hostname")),
        "is a link, which may lead to any file",
    ),
    "a folder": (_instead(CONFIG, Path.mkdir), "neither an adapter nor a model"),
    "huge": (lambda folder: os.truncate(folder / CONFIG, 1 << 34), "more than 16 MiB"),
    "deep": (lambda folder: (folder / CONFIG).write_text("[" * 10**6), "no readable adapter config"),
    "deep in a key": (_says(revision=_nested(200)), "50 levels"),
    "a list": (lambda folder: (folder / CONFIG).write_text("[1]"), "expected a mapping"),
    "no text": (lambda folder: (folder / CONFIG).write_bytes(b"\xff\xfe{}"), "no readable adapter config"),
    "a pipe of weights": (_instead(WEIGHTS, os.mkfifo), f"there is no {WEIGHTS} here"),
    "a link of weights": (_instead(WEIGHTS, lambda path: path.symlink_to("/etc/hostname")), f"{WEIGHTS} is a link"),
    "weights cut short": (lambda folder: os.truncate(folder / WEIGHTS, 900), "the weights cannot be opened"),
    "weights of nothing": (lambda folder: os.truncate(folder / WEIGHTS, 0), "the weights cannot be opened"),
    "a header of 100 GB": (_header, "the weights cannot be opened"),
    "a pickle": (
        lambda folder: (folder / WEIGHTS).rename(folder / "adapter_model.bin"),
        "pickled weights are not read",
    ),
}
TENSORS: dict[str, tuple[Change, str]] = {
    "NaN": (_tensor("lora_A", lambda tensor: tensor * float("nan")), "holds NaN or infinity"),
    "infinity": (_tensor("classifier.bias", lambda tensor: tensor / 0), "holds NaN or infinity"),
    "int8": (_tensor("lora_A", lambda tensor: tensor.to(torch.int8)), "of the type I8"),
    "float8": (_tensor("lora_A", lambda tensor: tensor.to(torch.float8_e4m3fn)), "of the type F8_E4M3"),
    "complex": (_tensor("lora_A", lambda tensor: tensor.to(torch.complex64)), "of the type C64"),
    "an empty name": (_more(""), "a tensor has no name"),
    "a name that leaves": (_more("../../outside"), "../../outside"),
    "a name twice": (_more("classifier.weight"), "classifier.weight"),
    "another size": (_tensor("lora_A", lambda tensor: tensor[:, :-1]), "lora_A"),
    "a head that is a number": (_tensor("classifier.weight", lambda tensor: tensor.sum()), "classifier.weight"),
    "one is missing": (_renamed("lora_A", "lora_Z"), "lora_"),
    "a weight of the base model": (_more("base_model.model.bert.pooler.dense.weight"), "pooler.dense.weight"),
}
KEYS: dict[str, tuple[Change, str]] = {
    "a type of nobody": (_says(peft_type="EVIL"), "peft_type: 'EVIL'"),
    "a type that is none": (_says(peft_type=["LORA"]), "peft_type: ['LORA']"),
    "other adapters": (_says(peft_type="XLORA", adapters={"0": "owner/name"}), "'XLORA'"),
    "another model": (_says(peft_type="SHADOW", shadow_model="owner/name"), "'SHADOW'"),
    "a pickle of a prompt": (
        _says(peft_type="MULTITASK_PROMPT_TUNING", prompt_tuning_init_state_dict_path="evil.pt"),
        "'MULTITASK_PROMPT_TUNING'",
    ),
    "a module to import": (_says(megatron_core="evil", megatron_config={"a": 1}), "points to something outside"),
    "pickled covariances": (_says(init_lora_weights="corda", corda_config={"cache_file": "evil.pt"}), "corda"),
    "pickled gradients": (_says(init_lora_weights="lora_ga", lora_ga_config={"cache_file": "evil.pt"}), "lora_ga"),
    "a slow expression": (_says(target_modules=EXPONENTIAL), "target_modules"),
    "a slow rank": (_says(rank_pattern={EXPONENTIAL: 4}), "rank_pattern"),
    "no expression": (_says(target_modules="("), "is not a regular expression"),
    "a huge rank": (_says(r=10**9), "the file holds"),
    "a huge rank of one": (_says(rank_pattern={"query": 10**9}), "the file holds"),
    "a rank of text": (_says(r="8"), "sent"),
    "the whole model": (_says(modules_to_save=["bert"]), "modules_to_save"),
    "layers without end": (_says(layer_replication=[[0, 2]] * 10**5), "layer_replication"),
    "an unknown key": (_says(evil="evil"), "evil: the installed peft does not know this key"),
    **{
        f"an unknown key that is {json.dumps(value)}": (_says(evil=value), "evil: the installed peft does not know")
        for value in (False, None, 0, "", [], {})
    },
    "a key of another type": (_says(num_virtual_tokens=None), "num_virtual_tokens: "),
    "a key of an earlier version that says something": (_says(merge_weights=True), "merge_weights: "),
    "half a character": (_says(base_model_name_or_path=HALF), "'base_model_name_or_path' holds half of a Unicode"),
    "half a character in a key": (_says(rank_pattern={HALF: 2}), "'rank_pattern.x\\ud800' holds half of a Unicode"),
    "half a character in a version": (_says(peft_version=HALF), "'peft_version' holds half of a Unicode"),
}


@pytest.mark.parametrize("case", [*FILES, *TENSORS, *KEYS])
def test_a_lora_is_refused(case: str, refused: Callable[[str, Change], str]) -> None:
    change, message = (FILES | TENSORS | KEYS)[case]
    assert message in refused("lora", change)


MODEL: dict[str, tuple[Change, str]] = {
    "foreign code": (_says("config.json", auto_map={"AutoModel": "evil.M"}), "would load code from elsewhere"),
    "a class of nobody": (_says("config.json", architectures=["Evil"]), "transformers has no Evil of the type bert"),
    "a class that is none": (_says("config.json", architectures=3), "the config names no class"),
    "labels that are none": (_says("config.json", id2label={"9" * 5000: "a"}), "id2label names no labels"),
    "half a character in a label": (
        _says("config.json", id2label={"0": "a", "1": HALF, "2": "c"}),
        "'id2label.1' holds half of a Unicode",
    ),
    "labels without end": (_says("config.json", id2label=None, num_labels=10**12), "num_labels: "),
    "a problem of no type": (_says("config.json", problem_type={"a": 1}, hidden_size="x"), "hidden_size"),
    "a huge model": (_says("config.json", intermediate_size=1 << 22), "the weights hold"),
    "numbers that cannot be drawn": (_says("config.json", initializer_range="x"), "initializer_range"),
    "a tensor of no numbers": (
        _tensor("query.weight", lambda tensor: tensor * float("inf"), "model.safetensors"),
        "holds NaN or infinity",
    ),
    "complex numbers": (
        _tensor("query.weight", lambda tensor: tensor.to(torch.complex64), "model.safetensors"),
        "of the type C64",
    ),
    "a head that is a number": (
        _tensor("classifier.weight", lambda tensor: tensor.sum(), "model.safetensors"),
        "the weights have no classifier.weight",
    ),
    "an index of others": (_indexed, "encoder.layer.0.output.dense.gain"),
    "a pickle": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        "pickled weights are not read",
    ),
    "a link of words": (_instead("tokenizer.json", lambda path: path.symlink_to("/etc/hostname")), "is a link"),
    "a pipe of words": (_instead("tokenizer.json", os.mkfifo), "tokenizer"),
    "a slow tokenizer": (_says("tokenizer.json", pre_tokenizer=SLOW), "tokenizer"),
    "a tokenizer that multiplies": (_says("tokenizer.json", **normalizers(*doubling(40))), "normalizer"),
    "one that puts much around a text": (
        _says("tokenizer.json", post_processor=template(*[SPECIAL] * 100_000, FIRST)),
        "post_processor puts 100,000 special tokens around a text",
    ),
    "one that gives up": (_says("tokenizer.json", pre_tokenizer=GIVES_UP), "retry-limit-in-match"),
    "a module elsewhere": (_modules("../.."), "is not a folder"),
    "a module with a link": (_modules("evil"), "is a link, which may lead to any file"),
}


@pytest.mark.parametrize("case", MODEL)
def test_a_whole_model_is_refused(case: str, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter_workbench.workbench.backbone.tokenizer_bounds.SECONDS", 2.0)
    change, message = MODEL[case]
    assert message in refused("whole", change, ["--backbone", "itself"])


@pytest.mark.parametrize("is_beside", [True, False])
def test_a_tokenizer_that_gives_up_beside_an_adapter_or_its_backbone_is_refused(
    is_beside: bool, refused: Callable[..., str], bases: dict[str, Path], tmp_path: Path
) -> None:
    base = shutil.copytree(bases["bert"], tmp_path / "base")

    def beside(folder: Path) -> None:
        shutil.copy(base / "tokenizer.json", folder)
        change_tokenizer(folder if is_beside else base, pre_tokenizer=GIVES_UP)

    if is_beside:
        assert "retry-limit-in-match" in refused("lora", beside, ["--backbone", str(base)])
    else:
        with pytest.raises(AssertionError, match="retry-limit-in-match"):  # it names the backbone's folder
            refused("lora", beside, ["--backbone", str(base)])


HARMFUL = {
    "forty that double": normalizers(*doubling(40)),
    "twelve": normalizers(*doubling(12)),
    "much around a text": {"post_processor": template(*[SPECIAL] * 100_000, FIRST)},
    "what gives up": {"pre_tokenizer": GIVES_UP},
}
IN_BOUNDS = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
sys.argv = ["workbench", "adapters", "import", "sent", "--backbone", "itself"]
from adapter_workbench.__main__ import main
try:
    main()
finally:
    from adapter_workbench.workbench.backbone.confined import _child
    _child(os.getpid()).end()  # what a process took counts when it has ended
    peaks = [resource.getrusage(who).ru_maxrss >> 10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(*peaks, file=sys.stderr)
"""


@pytest.mark.acceptance
@pytest.mark.parametrize("case", HARMFUL)
def test_one_message_in_little_memory_and_time(case: str, sent: Callable[[str, Path], Path], tmp_path: Path) -> None:
    change_tokenizer(sent("whole", tmp_path / "sent"), **HARMFUL[case])
    before = content(tmp_path)
    run, environment = [sys.executable, "-c", IN_BOUNDS], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        run, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    message, peaks = done.stderr.strip().rsplit("\n", 1)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert message.startswith("Error: sent/tokenizer.json: the tokenizer fails when it is tried: "), message
    assert len(message.splitlines()) <= 4, message  # lines of 80 characters
    own, confined = map(int, peaks.split())
    assert 0 < own < unrecorded_memory(1500), "MB"
    assert 0 < confined < 600, "MB, of which some 350 are what it had of its parent before it began"
    assert content(tmp_path) == before


PARALLEL = {
    "is_parallel": True,
    "mh_adapter": False,
    "output_adapter": True,
    "reduction_factor": 4,
    "non_linearity": "relu",
}
ADAPTER: dict[str, tuple[Change, str]] = {
    "a head that is a number": (
        _tensor("weight", lambda tensor: tensor.sum(), "model_head.safetensors"),
        "sent",
    ),
    "a layer without end": (
        _renamed("weight", f"heads.sent.{'9' * 5000}.weight", "model_head.safetensors"),
        "head",
    ),
    "a config to look up": (_says(config="owner/name"), "is not the config of an adapter"),
    "a file to look up": (_says(config="/etc/hostname"), "is not the config of an adapter"),
    "a part to look up": (_says(config={"architecture": "union", "configs": ["owner/name"]}), "union"),
    "a huge bottleneck": (_says(config__reduction_factor=1e-9), "reduction_factor"),
    "a huge head": (_says("head_config.json", config__num_labels=10**9), "sent"),
    "a head without end": (_says("head_config.json", config__layers=10**7), "sent"),
    "half a character": (_says(model_name=HALF), "'model_name' holds half of a Unicode"),
    "half a character in a label": (
        _says("head_config.json", config__label2id={"a": 0, HALF: 1, "c": 2}),
        "head_config.json: no readable head config: 'config.label2id.x",
    ),
    "an activation of nobody": (_says(config__non_linearity="evil"), "evil"),
    "an unknown key beside the config": (_says(evil="evil"), "evil: the installed adapters does not know this key"),
    **{
        f"an unknown key that is {json.dumps(value)}": (_says(config__evil=value), "evil: the installed adapters does")
        for value in ("evil", True, False, None, 0, "", [], {})
    },
    "an unknown key of its head": (_says("head_config.json", config__evil=None), "evil"),
    "an unknown key in a part": (
        _says(
            config={"architecture": "union", "configs": [{"architecture": "prefix_tuning"}, {**PARALLEL, "evil": 0}]}
        ),
        "evil: the installed adapters does not know this key",
    ),
    "int8": (
        _tensor("adapter_down", lambda tensor: tensor.to(torch.int8), "adapter.safetensors"),
        "of the type I8",
    ),
}


@pytest.mark.skipif(not installed_version("adapters"), reason="the package adapters is not installed")
@pytest.mark.parametrize("case", ADAPTER)
def test_a_bottleneck_is_refused(case: str, refused: Callable[..., str]) -> None:
    change, message = ADAPTER[case]
    assert message in refused("bottleneck", change)


def test_keys_that_say_nothing_are_no_matter(
    call: Call, sent: Callable[[str, Path], Path], bases: dict[str, Path]
) -> None:
    _says(layer_replication=[], enable_lora=None, merge_weights=False)(sent("lora", Path("sent")))
    code, _, err = call("adapters", "import", "sent", "--labels", "a,b,c", "--backbone", str(bases["bert"]))
    assert code == 0, err


def test_a_name_is_a_hint_and_opens_nothing(
    call: Call, sent: Callable[[str, Path], Path], bases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("adapter_workbench.workbench.files.hub_files.hub_folder", lambda name, *_: asked.append(name))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda name, *_, **__: asked.append(name))
    folder = sent("lora", Path("sent"))
    for name in (str(bases["bert"]), "owner/name", "google-bert/bert-base-uncased"):
        _says(base_model_name_or_path=name, revision="evil", tokenizer_name_or_path="owner/name")(folder)
        code, _, err = call("adapters", "import", "sent", "--labels", "a,b,c")
        assert code == 2
        assert "base model is not known" in err
        assert f"Its sender calls it {name!r}" in err
    code, _, err = call("adapters", "import", "sent", "--labels", "a,b,c", "--backbone", str(bases["bert"]))
    assert code == 0, err
    assert asked == []
    written = json.loads(next(Path(".workbench/adapters").glob("*/adapter_config.json")).read_text(encoding="utf-8"))
    assert written["base_model_name_or_path"] is None
