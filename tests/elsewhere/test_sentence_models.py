"""Models of sentence-transformers have no head: one is fitted, or they are a backbone. The library is not here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.fusion.target.fitted_head import fit_head
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, UnsafeConfigError
from adapter_workbench.workbench.methods.stored_model import backbone_of
from tests.elsewhere.package_adapters import edited
from tests.elsewhere.senders import TEXTS
from tests.elsewhere.test_whole_models import LABELS, SEQUENCES, THREE, here, sent
from tests.messages import lacks
from tests.streams import write_tasks

MODES = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")


def write_sentences(
    base: Path, folder: Path, mode: Any = "mean_tokens", apart: bool = False, modules: tuple[str, ...] = ()
) -> Path:
    """Write ``base`` as sentence-transformers does.

    Args:
        base: a transformer.
        folder: where to.
        mode: of pooling, as until version 5; or a name, or several, as since then.
        apart: in a folder of its own, as early versions did.
        modules: after these of most models.
    """
    inner = folder / "0_Transformer" if apart else folder
    shutil.copytree(base, inner)
    kinds = ("Transformer", "Pooling", "Normalize", *modules)
    places = ["0_Transformer" if apart else "", *(f"{at}_{kind}" for at, kind in enumerate(kinds[1:], 1))]
    listed = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (kind, path) in enumerate(zip(kinds, places, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    early = isinstance(mode, str) and mode in MODES
    pooling = {f"pooling_mode_{name}": name == mode for name in MODES} if early else {"pooling_mode": mode}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **pooling}))
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {}, "similarity_fn_name": "cosine"}')
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 64, "do_lower_case": false}')
    return folder


def pooled(base: Path, mode: str, texts: list[str]) -> Any:
    """Return what the folder's modules compute of each text, but for its length: (texts, 32)."""
    backbone = open_backbone(str(base))
    batch = backbone.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = backbone.load()(**batch).last_hidden_state
    if mode == "cls_token":
        return states[:, 0]
    mask = batch["attention_mask"].unsqueeze(-1).float()
    if mode == "mean_tokens":
        return (states * mask).sum(1) / mask.sum(1)
    return states[torch.arange(len(texts)), batch["attention_mask"].sum(1) - 1]


@pytest.mark.parametrize(
    ("mode", "apart", "link"),
    [("mean_tokens", False, False), ("cls_token", True, False), ("lasttoken", True, True), ("cls_token", False, True)],
)
def test_a_head_is_fitted_on_what_the_folder_pools(
    mode: str, apart: bool, link: bool, bert: Path, tmp_path: Path
) -> None:
    folder, tasks = write_sentences(bert, tmp_path / "sent", mode, apart), write_tasks(tmp_path)
    bench = Workbench(tmp_path / "ws", [tasks])
    stored = bench.exchange.import_adapter(folder, task="animals", link=link)
    manifest = stored.manifest
    assert manifest.elsewhere is not None
    assert (manifest.backbone.name, manifest.elsewhere.program) == (ITSELF, "sentence-transformers")
    task = registry.load(registry.find("animals", [tasks]))
    seen, unseen = (
        (pooled(bert, mode, task.splits[name]["text"][:]).numpy(), task.splits[name]["label"][:])
        for name in ("train", "validation")
    )
    wanted = fit_head(*seen, *unseen, 2).head(pooled(bert, mode, TEXTS))
    torch.testing.assert_close(here(stored), wanted, rtol=1e-4, atol=1e-4)
    assert (stored.folder / "modules.json").exists() != link
    tested = bench.exchange.test(stored.id)
    assert (tested.task, tested.counts) == ("animals", True)


CHANGED = {  # what SentenceTransformer.encode does to a text before its tokenizer reads it
    "small letters": ("sentence_bert_config.json", {"do_lower_case": True}, "into small letters"),
    "a prompt": (
        "config_sentence_transformers.json",
        {"prompts": {"query": "query: ", "passage": ""}, "default_prompt_name": "query"},
        "puts the prompt 'query: ' before each text",
    ),
}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("case", CHANGED)
def test_a_model_that_reads_other_texts_is_refused(
    case: str, apart: bool, bert: Path, tmp_path: Path, call: Any
) -> None:
    file, stated, message = CHANGED[case]
    folder = write_sentences(bert, tmp_path / "sent", apart=apart)
    if apart and case == "small letters":
        (folder / file).rename(folder / "0_Transformer" / file)
        file = f"0_Transformer/{file}"
    edited(folder / file, **stated)
    write_tasks(tmp_path)
    code, out, err = call("adapters", "import", "sent", "--task", "animals", "--workspace", "ws")
    assert (code, out) == (2, "")
    assert lacks(err, str(Path("sent", file)), message, "--backbone") == []
    harmless = {"default_prompt_name": "passage"} if case == "a prompt" else {"do_lower_case": False}
    edited(folder / file, **harmless)
    code, _, err = call("adapters", "import", "sent", "--task", "animals", "--workspace", "ws")
    assert code == 0, err


def test_small_letters_are_no_matter_where_the_tokenizer_makes_them(bert: Path, tmp_path: Path) -> None:
    folder = write_sentences(bert, tmp_path / "sent")
    edited(folder / "sentence_bert_config.json", do_lower_case=True)
    edited(folder / "tokenizer_config.json", do_lower_case=True)
    assert Workbench(tmp_path / "ws", [write_tasks(tmp_path)]).exchange.import_adapter(folder, task="animals")


def test_without_a_task_both_ways_are_told(bert: Path, tmp_path: Path, call: Any) -> None:
    write_sentences(bert, tmp_path / "sent", apart=True)
    code, _, err = call("adapters", "import", "sent", "--workspace", "ws")
    assert code == 2
    assert "adapters import sent --task NAME" in err and "--backbone sent" in err
    backbone = open_backbone(str(tmp_path / "sent"))
    assert (backbone.folder.name, backbone.fingerprint) == ("0_Transformer", open_backbone(str(bert)).fingerprint)


def test_a_transformer_alone_has_no_head_either(bert: Path, tmp_path: Path) -> None:
    bench = Workbench(tmp_path / "ws", [write_tasks(tmp_path)])
    with pytest.raises(InputError, match="no head"):
        bench.exchange.import_adapter(bert)
    named, alone = (bench.exchange.import_adapter(bert, name, task="animals") for name in (str(bert), None))
    assert (named.manifest.is_whole, alone.manifest.is_whole) == (False, True)
    assert torch.equal(here(named), here(alone))


def test_a_head_on_a_backbone_that_pools_otherwise(bert: Path, tmp_path: Path) -> None:
    folder = write_sentences(bert, tmp_path / "sent", "cls_token")
    bench = Workbench(tmp_path / "ws", [write_tasks(tmp_path)])
    alone, named = (bench.exchange.import_adapter(folder, name, task="animals") for name in (None, str(bert)))
    assert named.manifest.head is not None
    assert (named.manifest.head.pooling, named.manifest.backbone.pooling) == ("first", "mean")
    torch.testing.assert_close(here(named), here(alone))


@pytest.mark.parametrize(
    ("mode", "named"),
    [
        ("max_tokens", "max"),
        ("mean_sqrt_len_tokens", "mean_sqrt_len"),
        ("weightedmean_tokens", "weightedmean"),
        ("max", "max"),
        (["mean", "cls"], "mean and cls"),
        ([], "none"),
    ],
)
def test_another_pooling_is_refused_by_name(mode: Any, named: str, bert: Path, tmp_path: Path) -> None:
    bench = Workbench(tmp_path / "ws", [write_tasks(tmp_path)])
    folder = write_sentences(bert, tmp_path / "sent", mode)
    with pytest.raises(InputError, match=f"pooling cannot be repeated: {named}\n"):
        bench.exchange.import_adapter(folder, task="animals")


@pytest.mark.parametrize(("mode", "named"), [("max_tokens", "max"), (["mean", "cls"], "mean and cls")])
def test_a_backbone_with_another_pooling_is_refused_by_name(mode: Any, named: str, bert: Path, tmp_path: Path) -> None:
    """Its mean was taken without a word."""
    folder = write_sentences(bert, tmp_path / "sent", mode)
    with pytest.raises(InputError, match=f"1_Pooling.*: this pooling cannot be repeated: {named}\n.*Known: mean, cls"):
        open_backbone(str(folder))
    shutil.rmtree(folder / "1_Pooling")
    assert open_backbone(str(folder)).pooling == "mean", "as the hint says"


def test_poolings_are_named_as_versions_name_them(bert: Path, tmp_path: Path) -> None:
    for mode, wanted in (("cls_token", "first"), ("cls", "first"), ("lasttoken", "last"), (["mean"], "mean")):
        folder = write_sentences(bert, tmp_path / f"{mode}-of-{wanted}", mode)
        assert open_backbone(str(folder)).pooling == wanted


def test_a_cross_encoder_is_the_class_of_its_transformer(bert: Path, tmp_path: Path) -> None:
    wanted = sent(bert, tmp_path / "sent", SEQUENCES, **THREE)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.Transformer"}]
    (tmp_path / "sent" / "modules.json").write_text(json.dumps(modules))
    stored = Workbench(tmp_path / "ws", []).exchange.import_adapter(tmp_path / "sent")
    assert stored.manifest.task.labels == tuple(LABELS.values())
    assert torch.equal(here(stored), wanted)


def test_other_modules_are_refused_by_name(bert: Path, tmp_path: Path) -> None:
    bench = Workbench(tmp_path / "ws", [write_tasks(tmp_path)])
    folder = write_sentences(bert, tmp_path / "sent", modules=("Dense",))
    with pytest.raises(InputError, match="cannot be repeated: Transformer, Pooling, Normalize, Dense"):
        bench.exchange.import_adapter(folder, task="animals")
    modules = (folder / "modules.json").read_text().replace("1_Pooling", "../../sent/1_Pooling")
    (folder / "modules.json").write_text(modules)
    with pytest.raises(UnsafeConfigError, match="folder in this one"):
        bench.exchange.import_adapter(folder)


def test_it_is_written_as_it_came(bert: Path, tmp_path: Path) -> None:
    """Without the head that was fitted here, which is no part of it."""
    bench = Workbench(tmp_path / "ws", [write_tasks(tmp_path)])
    sent = write_sentences(bert, tmp_path / "sent", apart=True)
    stored = bench.exchange.import_adapter(sent, ITSELF, task="animals")
    back = bench.exchange.export(stored.id, tmp_path / "back", original=True)
    files = [
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (sent, back)
    ]
    assert b"SentenceTransformer(folder)" in files[1].pop("README.md")
    assert files[0] == files[1]
    based = bench.exchange.import_adapter(sent, str(bert), task="animals")
    with pytest.raises(InputError, match="weights that replace"):
        bench.exchange.export(based.id, tmp_path / "based", original=True)


HEAD = {"weight": torch.linspace(-1, 1, 96).reshape(3, 32), "bias": torch.tensor([0.1, 0.0, -0.2])}


def with_head(folder: Path, classes: Any = None, head: Any = HEAD, **config: Any) -> Path:
    """Put a head of SetFit into a folder, as the three lines write it, and SetFit's config."""
    metadata = {} if classes is None else {"labels": json.dumps(classes)}
    save_file(head, folder / "model_head.safetensors", metadata)
    (folder / "config_setfit.json").write_text(json.dumps({"labels": None, "normalize_embeddings": False, **config}))
    return folder


@pytest.mark.parametrize("unit", ["no", "module", "option"])
@pytest.mark.parametrize("backbone", ["named", "its own"])
def test_a_head_of_setfit(unit: str, backbone: str, bert: Path, tmp_path: Path) -> None:
    folder = write_sentences(bert, tmp_path / "sent", "cls_token")  # with a module that makes lengths 1
    if unit != "module":
        modules = json.loads((folder / "modules.json").read_text())
        (folder / "modules.json").write_text(json.dumps(modules[:2]))
    with_head(folder, ["2", "0", "1"], labels=["x", "y", "z"], normalize_embeddings=unit == "option")
    name = str(bert) if backbone == "named" else ITSELF
    stored = Workbench(tmp_path / "ws", []).exchange.import_adapter(folder, name)
    assert (stored.manifest.task.labels, stored.manifest.budget.max_length) == (("z", "x", "y"), 64)
    vectors = pooled(bert, "cls_token", TEXTS)
    read = vectors if unit == "no" else vectors / vectors.norm(dim=1, keepdim=True)
    torch.testing.assert_close(here(stored), read @ HEAD["weight"].T + HEAD["bias"], rtol=1e-5, atol=1e-5)
    program = (stored.folder / "README.md").read_text().split("```python")[1].split("```")[0]
    printed: list[str] = []
    exec(program.replace("print(", "printed.extend("), {"texts": TEXTS, "printed": printed, **folders_of(stored)})
    assert printed == [stored.manifest.task.labels[index] for index in here(stored).argmax(dim=1)]
    with pytest.raises(InputError, match="SetFit reads its head from a pickle"):
        Workbench(tmp_path / "ws", []).exchange.export(stored.id, tmp_path / "back", original=True)


def folders_of(stored: Any) -> dict[str, str]:
    """Return what the program in a README asks for."""
    whole = stored.manifest.is_whole
    return {"folder": str(stored.folder), "backbone": str(stored.folder if whole else backbone_of(stored).folder)}


WRONG = {
    "another width": (
        {"weight": torch.zeros(3, 16), "bias": torch.zeros(3)},
        {},
        "vectors of 16 numbers, and this model",
    ),
    "one label": ({"weight": torch.zeros(1, 32), "bias": torch.zeros(1)}, {}, r"\(labels, width\) and \(labels\)"),
    "another tensor": ({**HEAD, "more": torch.zeros(1)}, {}, "are not weight and bias: bias, more, weight"),
    "NaN": ({**HEAD, "bias": torch.full((3,), torch.nan)}, {}, "NaN"),
    "too few labels": (HEAD, {"labels": ["x", "y"]}, "names no 3 classes"),
    "a class without a name": (HEAD, {"labels": ["0", "1", "7"]}, "there is a class 7, and config_setfit.json names 3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_another_head_is_refused(case: str, bert: Path, tmp_path: Path) -> None:
    head, labels, message = WRONG[case]
    folder = write_sentences(bert, tmp_path / "sent")
    with_head(folder, labels.get("labels"), head, labels=["x", "y", "z"])
    with pytest.raises(InputError, match=message):
        Workbench(tmp_path / "ws", []).exchange.import_adapter(folder, ITSELF)
    assert not [*(tmp_path / "ws").glob("adapters/*")]


def test_a_pickled_head_is_said_and_not_read(bert: Path, tmp_path: Path, call: Any) -> None:
    folder = write_sentences(bert, tmp_path / "sent")
    (folder / "model_head.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    code, out, err = call("adapters", "import", "sent", "--backbone", "itself", "--workspace", "ws")
    assert (code, out) == (2, "")
    assert lacks(err, "model_head.pkl", "was not read", "joblib.load", "save_file", "--task NAME") == []
    write_tasks(tmp_path)
    code, out, err = call("adapters", "import", "sent", "--task", "animals", "--workspace", "ws")
    assert code == 0, err
    assert "was not read" in err and "Another one is fitted" in err
    assert not Path("ran").exists()
