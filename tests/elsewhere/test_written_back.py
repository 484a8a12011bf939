"""What other programs trained is written as it came, or as a model of its sender's class."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import IA3Config, LNTuningConfig, LoHaConfig, LoraConfig, PromptTuningConfig
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.answering import serving
from adapter_workbench.workbench.answering.elsewhere.original import ORIGINAL, give_back
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, IntegrityError
from tests.conftest import Call
from tests.elsewhere.senders import TEXTS, answers, imported, sent_by_peft
from tests.elsewhere.shop import SEQ, Shop, done


def require_same_tensors(came: Path, back: Path) -> None:
    """Make sure that two files have the same tensors, types and bytes included."""
    first, other = load_file(came), load_file(back)
    assert first.keys() == other.keys()
    for name, tensor in first.items():
        assert tensor.dtype == other[name].dtype
        assert torch.equal(tensor, other[name]), name


def opened_as_the_card_says(folder: Path, base: Path) -> dict[str, Any]:
    """Run the program of a folder's README, the last one, and return its variables."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    known: dict[str, Any] = {"backbone": str(base), "folder": str(folder), "texts": TEXTS}
    *_, program = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    with torch.inference_mode():
        exec(program, known)
    return known


@pytest.mark.parametrize("which", ["few", "wide"])
def test_it_is_written_as_it_came_and_its_own_program_opens_that(original: Shop, bert: Path, which: str) -> None:
    adapter, folder = getattr(original, which), original.folder / f"back-{which}"
    original.bench.exchange.export(adapter, folder, original=True)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", CONFIG, PEFT_WEIGHTS]
    require_same_tensors(original.folder / which / PEFT_WEIGHTS, folder / PEFT_WEIGHTS)
    assert (folder / CONFIG).read_bytes() == (original.folder / which / CONFIG).read_bytes()
    known = opened_as_the_card_says(folder, bert)
    assert torch.equal(known["output"].logits, original.logits[adapter])
    labels = ("second", "first") if which == "few" else ("first", "second")
    assert tuple(known["model"].config.id2label.values()) == labels


def test_what_did_not_come_so_is_not_written_so(shop: Shop, bert: Path, call: Call) -> None:
    code, _, err = call("adapters", "export", shop.own, "out", "--original")
    assert (code, "made by the workbench" in err, Path("out").exists()) == (2, True, False)
    code, _, err = call("adapters", "export", shop.few, "out", "--original", "--merge")
    assert (code, "--original cannot be combined with" in err) == (2, True)
    sent_by_peft(bert, shop.folder / "loha", LoHaConfig(task_type=SEQ, r=2, target_modules=["query"]), num_labels=2)
    labels = ("first", "second")
    loha = shop.bench.exchange.import_adapter(shop.folder / "loha", str(bert), task="animals", labels=labels)
    made = json.loads(done(call, "adapters", "convert", loha.id, "--rank", "4", "--json"))
    before, after = made["validation"]["before"], made["validation"]["after"]
    assert before == after, "both were measured here; the update's rank is 4 at most"
    manifest = shop.bench.workspace.adapters.verify(made["adapter"]).manifest
    assert (manifest.fit, manifest.seed, manifest.elsewhere and manifest.elsewhere.program) == (None, None, "peft")
    assert (manifest.head, {*manifest.settings}) == (loha.manifest.head, {"rank", "alpha", "targets"})
    code, _, err = call("adapters", "export", made["adapter"], "out", "--original")
    assert (code, "was converted" in err) == (2, True)


@pytest.mark.parametrize("which", ["few", "wide"])
def test_it_is_merged_into_the_sender_s_class(original: Shop, bert: Path, which: str) -> None:
    """Its logits are those that plain peft's ``merge_and_unload`` gives, to the last bit."""
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    adapter, folder = getattr(original, which), original.folder / f"merged-{which}"
    original.bench.exchange.export(adapter, folder, merge=True, form="sequence-classification")
    own = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=2)
    merged = PeftModel.from_pretrained(own, original.folder / which).merge_and_unload()
    wanted, logits = answers(merged, bert), answers(AutoModelForSequenceClassification.from_pretrained(folder), bert)
    assert torch.equal(logits, wanted.flip(-1) if which == "few" else wanted)


def test_the_program_in_its_card_answers_as_its_sender_s_did(
    original: Shop, bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = original.bench.exchange.export(original.few, original.folder / "own-form")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert ("trained elsewhere, and written by peft" in card, "nan" in card) == (True, False)
    known = opened_as_the_card_says(folder, bert)
    assert torch.equal(known["logits"], original.logits[original.few].flip(-1))
    assert ast.literal_eval(capsys.readouterr().out) == [
        ("second", "first")[number] for number in original.logits[original.few].argmax(-1).tolist()
    ]


def test_a_folder_in_our_own_form_brings_what_it_takes_to_write_the_other(original: Shop, bert: Path) -> None:
    other = Workbench(original.folder / "other", original.bench.task_folders)
    sent = original.bench.exchange.export(original.wide, original.folder / "to-send")
    stored = other.exchange.import_adapter(sent, str(bert))
    assert stored.manifest.elsewhere == original.bench.workspace.adapters.get(original.wide).manifest.elsewhere
    back = other.exchange.export(stored.id, original.folder / "twice", original=True)
    require_same_tensors(original.folder / "wide" / PEFT_WEIGHTS, back / PEFT_WEIGHTS)
    with torch.inference_mode():
        asked = serving.answers([stored], open_backbone(str(bert)), rows_of(TEXTS), [stored.id] * len(TEXTS))
    assert [answer.words for answer in asked] == [
        ("first", "second")[number] for number in original.logits[original.wide].argmax(-1).tolist()
    ]


OTHERS: dict[str, Any] = {
    "pissa": LoraConfig(task_type=SEQ, init_lora_weights="pissa"),
    "dora on the head": LoraConfig(task_type=SEQ, use_dora=True, target_modules=["query"], modules_to_save=["pooler"]),
    "prompt": PromptTuningConfig(task_type=SEQ, num_virtual_tokens=3),
    "ia3": IA3Config(task_type=SEQ),
}


@pytest.mark.parametrize("case", ["prompt", "biases", "whole modules", "norms"])
def test_the_program_in_the_card_of_what_is_more_than_an_update(case: str, bert: Path, tmp_path: Path) -> None:
    others: dict[str, Any] = {
        "biases": LoraConfig(task_type=SEQ, bias="all"),
        "whole modules": LoraConfig(task_type=SEQ, modules_to_save=["LayerNorm", "word_embeddings"]),
        "norms": LNTuningConfig(task_type=SEQ, target_modules=["LayerNorm"]),
    }
    logits = sent_by_peft(bert, tmp_path / "sent", {**OTHERS, **others}[case], num_labels=3)()
    stored = imported(bert, tmp_path / "sent", tmp_path / "ws")
    assert torch.equal(opened_as_the_card_says(stored.folder, bert)["logits"], logits)


@pytest.mark.parametrize("case", OTHERS)
def test_every_type_of_peft_is_written_as_it_came(case: str, bert: Path, tmp_path: Path) -> None:
    """Also what became something else here: a LoRA that moved its base, tensors of a head."""
    logits = sent_by_peft(bert, tmp_path / "sent", OTHERS[case], num_labels=3)()
    bench = Workbench(tmp_path / "ws", [])
    stored = bench.exchange.import_adapter(tmp_path / "sent", str(bert), labels=("x", "y", "z"))
    back = bench.exchange.export(stored.id, tmp_path / "back", original=True)
    require_same_tensors(tmp_path / "sent" / PEFT_WEIGHTS, back / PEFT_WEIGHTS)
    assert torch.equal(opened_as_the_card_says(back, bert)["output"].logits, logits)


@pytest.mark.parametrize("head", ["its own", "of a class"])
def test_a_bottleneck_of_the_package_is_written_as_it_came(head: str, bert: Path, tmp_path: Path) -> None:
    pytest.importorskip("adapters")
    from tests.elsewhere.package_adapters import classified, config_of, sent_by_adapters, sent_from_class

    sent, labels = tmp_path / "sent", {0: "x", 1: "y", 2: "z"}
    if head == "its own":
        logits = sent_by_adapters(bert, sent, config_of("seq_bn"), classified())()
    else:
        options = {"num_labels": 3, "id2label": labels, "label2id": {name: number for number, name in labels.items()}}
        logits = sent_from_class(bert, sent, "AutoModelForSequenceClassification", **options)
    bench = Workbench(tmp_path / "ws", [])
    stored = bench.exchange.import_adapter(sent, str(bert))
    back = bench.exchange.export(stored.id, tmp_path / "back", original=True)
    for name in ("adapter.safetensors", "model_head.safetensors"):
        require_same_tensors(sent / name, back / name)
    assert torch.equal(opened_as_the_card_says(back, bert)["output"].logits, logits)


def test_a_whole_model_is_written_as_it_came(bert: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=2)
    model.save_pretrained(tmp_path / "sent")
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / "sent")
    bench = Workbench(tmp_path / "ws", [])
    stored = bench.exchange.import_adapter(tmp_path / "sent", str(bert), labels=("b", "a"))
    back = bench.exchange.export(stored.id, tmp_path / "back", original=True)
    assert torch.equal(answers(AutoModelForSequenceClassification.from_pretrained(back), bert), answers(model, bert))


@pytest.mark.parametrize(
    ("places", "why"),
    [
        ({"x": ["../secret.safetensors", "x"]}, "file of this adapter"),
        ({"x": ["adapter_model.safetensors", "no such tensor"]}, "came in cannot be opened"),
        ({"x": 3}, "came in cannot be opened"),
    ],
)
def test_what_is_kept_leads_nowhere_else(places: object, why: str, tmp_path: Path) -> None:
    """A stranger's export may say anything there."""
    folder, target = tmp_path / "adapter", tmp_path / "out"
    folder.mkdir()
    target.mkdir()
    save_file({"x": torch.zeros(1)}, tmp_path / "secret.safetensors")
    save_file({"y": torch.zeros(1)}, folder / PEFT_WEIGHTS)
    metadata = {"documents": json.dumps({"../../evil": "text"}), "places": json.dumps({PEFT_WEIGHTS: places})}
    save_file({}, folder / ORIGINAL, metadata)
    with pytest.raises((InputError, IntegrityError), match=why):
        give_back(folder, (CONFIG, PEFT_WEIGHTS), target)
    assert not list(target.iterdir())
    assert not (tmp_path.parent / "evil").exists()
