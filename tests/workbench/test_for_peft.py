"""An exported adapter of peft opens in two lines, on the class that answers, and comes in again as it was stored."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from datasets import Dataset

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.adapters.manifest import read_manifest
from adapter_workbench.workbench.adapters.store import AdapterStore, importable
from adapter_workbench.workbench.answering.for_peft.config_document import without_defaults
from adapter_workbench.workbench.answering.for_peft.exported import OF_TYPE, oldest_peft
from adapter_workbench.workbench.answering.for_peft.names_in_class import targets_in_class
from adapter_workbench.workbench.answering.for_peft.placed import placed
from adapter_workbench.workbench.answering.hub_card import front_matter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.stored_model import open_adapter
from tests.exported_adapters import METHODS_OF_PEFT, Exported, adapter_of, exported
from tests.fuzzing.values import changed
from tests.messages import naming
from tests.neighbours.reads_exports import opened, read
from tests.workbench.test_store import change, everything

CLOSE = 1e-5
BASES = {"causal-lm": "llama", "seq2seq": "t5", "classification": "bert"}
CASES: list[tuple[str, str, str, str, str]] = [  # method, kind, base, pooling, task_type
    ("lora", "causal-lm", "llama", "last", "CAUSAL_LM"),
    ("lora", "seq2seq", "t5", "mean", "SEQ_2_SEQ_LM"),
    ("lora", "classification", "bert", "first", "SEQ_CLS"),
    ("lora", "multilabel", "bert", "first", "SEQ_CLS"),
    ("lora", "regression", "bert", "first", "SEQ_CLS"),
    ("lora", "token-classification", "bert", "mean", "TOKEN_CLS"),
    ("lora", "classification", "bert", "mean", "FEATURE_EXTRACTION"),
    ("lora", "classification", "llama", "last", "FEATURE_EXTRACTION"),
    ("dora", "causal-lm", "llama", "last", "CAUSAL_LM"),
    ("rslora", "classification", "bert", "first", "SEQ_CLS"),
    ("ia3", "classification", "bert", "first", "SEQ_CLS"),
    ("ia3", "causal-lm", "llama", "last", "CAUSAL_LM"),
    ("prompt", "causal-lm", "llama", "last", "CAUSAL_LM"),
    ("prompt", "seq2seq", "t5", "mean", "SEQ_2_SEQ_LM"),
    ("prompt", "classification", "bert", "first", "FEATURE_EXTRACTION"),
    ("hypernetwork", "seq2seq", "t5", "mean", "SEQ_2_SEQ_LM"),
]


@pytest.fixture
def bases(request: pytest.FixtureRequest) -> Any:
    """Return a tiny backbone by name and pooling."""

    def base(name: str, pooling: Any) -> Backbone:
        return replace(open_backbone(str(request.getfixturevalue(name))), pooling=pooling)

    return base


@pytest.fixture
def lora(llama: Path, tmp_path: Path) -> Exported:
    """A LoRA of a language model, exported."""
    backbone = open_backbone(str(llama))
    return exported(adapter_of("lora", "causal-lm", backbone, AdapterStore(tmp_path / "a")), backbone, tmp_path / "out")


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case[:4]))
def test_the_first_lines_of_its_card_open_it_and_it_answers_the_same(
    case: tuple[str, str, str, str, str], bases: Any, tmp_path: Path
) -> None:
    method, kind, base, pooling, task_type = case
    backbone = bases(base, pooling)
    stored = adapter_of(method, kind, backbone, AdapterStore(tmp_path / "store"))
    sent = exported(stored, backbone, tmp_path / "out")
    config = json.loads((sent.folder / CONFIG).read_text(encoding="utf-8"))
    assert config["task_type"] == task_type
    assert sent.difference(read(sent.job)) < CLOSE
    again = AdapterStore(tmp_path / "other").import_(sent.folder, backbone.name)
    assert again.manifest.model_copy(update={"imported": None}) == stored.manifest
    assert again.identity == stored.identity
    assert everything(again.folder) | {"manifest.json": b""} == everything(stored.folder) | {"manifest.json": b""}


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case[:4]))
def test_the_program_below_answers_as_the_workbench(
    case: tuple[str, str, str, str, str], bases: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    method, kind, base, pooling, _ = case
    backbone = bases(base, pooling)
    stored = adapter_of(method, kind, backbone, AdapterStore(tmp_path / "store"))
    folder = exported(stored, backbone, tmp_path / "out").folder
    *_, program = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    texts = ["the cat often", "a plum very", "some horse this really"]
    exec(program, {"backbone": str(backbone.folder), "folder": str(folder), "texts": texts})
    answers = ast.literal_eval(capsys.readouterr().out)
    model, labels, columns = open_adapter(stored, backbone), stored.manifest.task.labels, {"text": texts}
    if kind in GENERATED:
        columns |= {"max_new_tokens": [stored.manifest.task.max_new_tokens] * len(texts), "metric": ["-"] * len(texts)}  # type: ignore[dict-item]
    if kind == "regression":
        columns |= {"centre": [0.0] * len(texts), "spread": [1.0] * len(texts)}  # type: ignore[dict-item]
    found = model.kind.answers(model, Dataset.from_dict(columns), backbone.tokenizer, 16)
    if kind == "classification":
        assert answers == [labels[row.argmax()] for row in found]
    elif kind == "multilabel":
        assert answers == [[label for label, logit in zip(labels, row, strict=True) if logit > 0] for row in found]
    elif kind == "token-classification":
        assert answers == [[labels[word.argmax()] for word in row.logits] for row in found]
    elif kind == "regression":
        assert answers == pytest.approx(found.tolist(), abs=CLOSE)
    else:
        assert answers == [answer.text for answer in found]


@pytest.mark.acceptance
@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("method", METHODS_OF_PEFT)
def test_every_method_of_peft_opens_so(method: str, kind: str, bases: Any, tmp_path: Path) -> None:
    backbone = bases(BASES[kind], "first")
    try:
        stored = adapter_of(method, kind, backbone, AdapterStore(tmp_path / "store"))
    except InputError as error:
        pytest.skip(error.what)
    sent = exported(stored, backbone, tmp_path / "out")
    assert bool(sent.form.why) == (kind == "classification" and stored.manifest.library == "prompts")
    assert sent.difference(read(sent.job)) < CLOSE
    again = AdapterStore(tmp_path / "other").import_(sent.folder, backbone.name)
    assert again.identity == stored.identity


def test_the_bare_transformer_s_keys_would_open_as_nothing(lora: Exported) -> None:
    """As an exported folder was before: peft warns, and every B is zero."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(lora.backbone.folder)
    with pytest.warns(UserWarning, match="missing adapter keys"):
        model = PeftModel.from_pretrained(base, str(lora.stored.folder))
    assert not any(weight.any() for name, weight in model.named_parameters() if "lora_B" in name)
    model = opened(str(lora.folder))
    assert all(weight.any() for name, weight in model.named_parameters() if "lora_B" in name)


def test_the_base_is_named_so_that_one_line_is_enough(lora: Exported) -> None:
    from peft import AutoPeftModelForCausalLM

    model = AutoPeftModelForCausalLM.from_pretrained(str(lora.folder)).eval()
    ids = torch.tensor(lora.job["inputs"]["input_ids"][:1])
    with torch.inference_mode():
        torch.testing.assert_close(model(input_ids=ids).logits, lora.wanted[:1], rtol=0.0, atol=CLOSE)


def test_what_is_at_its_default_is_left_out(lora: Exported) -> None:
    config = json.loads((lora.folder / CONFIG).read_text(encoding="utf-8"))
    assert {*config} == {
        *("peft_type", "task_type", "base_model_name_or_path", "inference_mode", "target_modules"),
        *("r", "lora_alpha", "lora_dropout", "bias"),
    }
    assert len(json.loads((lora.stored.folder / CONFIG).read_text(encoding="utf-8"))) > 2 * len(config)
    of_oft = {"peft_type": "OFT", "r": 0, "oft_block_size": 32, "peft_version": "0.21.2"}
    assert without_defaults(of_oft) == {"peft_type": "OFT", "r": 0, "oft_block_size": 32}, "peft asks for the size"
    neumann = {**of_oft, "use_cayley_neumann": False, "num_cayley_neumann_terms": 7}
    assert "peft_version" not in without_defaults(neumann)


@pytest.mark.parametrize(
    ("config", "version"),
    [
        ({"peft_type": "LORA"}, "0.4.0"),
        ({"peft_type": "LORA", "use_dora": True}, "0.9.0"),
        ({"peft_type": "LORA", "use_dora": True, "alpha_pattern": {"q": 3}}, "0.15.0"),
        ({"peft_type": "LORA", "use_dora": False}, "0.4.0"),
        ({"peft_type": "ADALORA", "rank_pattern": {"q": [True]}}, "0.10.0"),
    ],
)
def test_the_oldest_version_is_that_of_the_newest_key(config: dict[str, Any], version: str) -> None:
    assert oldest_peft(config) == version


def test_every_type_has_an_oldest_version() -> None:
    from adapter_workbench.workbench.adapters.adapter_folder import PEFT_TYPES

    assert OF_TYPE.keys() == PEFT_TYPES


def test_modules_of_the_same_last_name_elsewhere_are_not_adapted() -> None:
    from torch import nn

    model = nn.ModuleDict({"a": nn.ModuleDict({"q": nn.Linear(1, 1), "v": nn.Linear(1, 1)}), "q": nn.Linear(1, 1)})
    assert targets_in_class(model, ["a.v"]) == (["v"], [])
    assert targets_in_class(model, ["a.q", "a.v"]) == (["a.q", "a.v"], [])
    assert targets_in_class(model, ["a.q", "q", "a.v"], ["a.v"]) == (["q", "v"], ["v"])
    assert targets_in_class(model, ["a.q", "q", "a.v"], ["a.q"]) == (["a.q", "a.v", "q"], ["a.q"])


def test_without_its_backbone_it_is_for_the_transformer_alone(lora: Exported, tmp_path: Path) -> None:
    form = placed(lora.stored, None)
    assert (form.model.loader, form.config["task_type"], dict(form.names)) == ("AutoModel", "FEATURE_EXTRACTION", {})
    assert form.why == "its backbone was not at hand when it was exported"


def test_a_folder_that_was_exported_before_comes_in(lora: Exported, tmp_path: Path) -> None:
    store, stored = AdapterStore(lora.stored.folder.parent), lora.stored
    before = store.export(stored.id, tmp_path / "before", front_matter(stored.manifest, {}))
    assert "sent" not in json.loads((before / "manifest.json").read_text(encoding="utf-8"))
    assert AdapterStore(tmp_path / "other").import_(before, "tiny").identity == stored.identity


def test_it_is_known_again_where_it_was_made(lora: Exported) -> None:
    store = AdapterStore(lora.stored.folder.parent)
    assert store.import_(lora.folder, lora.backbone.name) == lora.stored
    (lora.stored.folder / PEFT_WEIGHTS).write_bytes(b"")
    mended = store.import_(lora.folder, lora.backbone.name)
    assert store.verify(mended.id) == lora.stored, "the copy takes the place of what was damaged"


def test_a_changed_file_is_refused_and_nothing_is_left(lora: Exported, tmp_path: Path) -> None:
    for name in (CONFIG, PEFT_WEIGHTS, "README.md"):
        path, content = lora.folder / name, (lora.folder / name).read_bytes()
        path.write_bytes(content.replace(b"q_proj", b"k_proj") if name != "README.md" else content + b"more")
        with pytest.raises(InputError, match=f"{name} has changed"):
            AdapterStore(tmp_path / "other").import_(lora.folder, "tiny")
        path.write_bytes(content)
    assert not (tmp_path / "other").exists()


def forged(lora: Exported, **changes: Any) -> Path:
    """Return the folder with another record of its stored form, the digests staying right."""
    return change(lora.folder, sent=read_manifest(lora.folder).sent.model_copy(update=changes).model_dump())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"documents": {"../evil": "x"}}, "'../evil' is not one of its files"),
        ({"weights": "/etc/passwd"}, "'/etc/passwd' is not one of its files"),
        ({"header": "{"}, "stored files cannot be made"),
        ({"header": "[]"}, "stored files cannot be made"),
        ({"header": '{"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'}, "stored files cannot be made"),
        ({"names": {}}, "stored files cannot be made"),
        ({"documents": {"adapter_config.json": "{}"}}, "adapter_config.json has changed"),
    ],
)
def test_a_record_that_is_not_true_is_refused(
    changes: dict[str, Any], why: str, lora: Exported, tmp_path: Path
) -> None:
    folder = forged(lora, **changes)
    with pytest.raises(InputError, match=naming(why)):
        AdapterStore(tmp_path / "other").import_(folder, "tiny")
    assert not [path for path in (tmp_path / "other").glob("*") if not path.name.startswith(".")]


def test_a_tensor_is_not_put_back_twice(lora: Exported, tmp_path: Path) -> None:
    """A small file could become any number of large ones."""
    names = read_manifest(lora.folder).sent.names  # type: ignore[union-attr]
    folder = forged(lora, names=dict.fromkeys(names, next(iter(names.values()))))
    with pytest.raises(InputError, match="two tensors would be made of one"):
        AdapterStore(tmp_path / "other").import_(folder, "tiny")


def test_the_other_task_types_belong_to_exported_folders_alone(lora: Exported) -> None:
    with pytest.raises(InputError, match="task_type: 'CAUSAL_LM' is for a model with a head"):
        importable(change(lora.folder, sent=None))


def test_a_record_with_anything_in_it_is_refused_or_true(lora: Exported, tmp_path: Path) -> None:
    store, whole, accepted = AdapterStore(tmp_path / "other"), (lora.folder / "manifest.json").read_bytes(), 0
    for seed in range(200):
        (lora.folder / "manifest.json").write_bytes(whole)
        random = Random(seed)
        record = json.loads(whole)["sent"]
        if seed % 2:
            record["header"] = json.dumps(changed(random, json.loads(record["header"])), default=str, skipkeys=True)
        change(lora.folder, sent=json.loads(json.dumps(changed(random, record), default=str, skipkeys=True)))
        try:
            stored = store.import_(lora.folder, "tiny")
        except InputError:
            continue
        accepted += 1
        assert stored.identity == lora.stored.identity
        store.remove(stored.id)
    assert accepted < 100
    assert store.ids() == []
