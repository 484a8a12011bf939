"""What the backbone of an adapter that comes in is called here: a name in few bits, or of other weights, misleads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapter_workbench.experiments.answers.known_here import KnownHere
from adapter_workbench.workbench.adapters.manifest import (
    BackboneReference,
    Manifest,
    read_sent_manifest,
    write_manifest,
)
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.backbone.names import BACKBONES, BackboneCard, open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.settings.base import Quantization, read
from tests.conftest import Call
from tests.messages import lacks
from tests.scored_adapters import ScoredAdapters
from tests.workbench.test_store import manifest


def on(name: str, hub_id: str, bits: Quantization | None = None) -> Manifest:
    """Return the manifest of an adapter on a backbone of that name."""
    called = f"{name}:{bits}" if bits else name
    reference = BackboneReference(name=called, hub_id=hub_id, fingerprint="b", pooling="mean", quantization=bits)
    return manifest().model_copy(update={"backbone": reference})


@pytest.fixture(scope="module")
def theirs(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> ScoredAdapters:
    return ScoredAdapters.made(tmp_path_factory.mktemp("theirs"), bert)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["minilm", "owner/model"])
def test_an_adapter_in_few_bits_names_no_base_for_others(name: str, reverse: bool, tmp_path: Path) -> None:
    card = read(BACKBONES.path("minilm")).parse(BackboneCard)
    hub_id = card.hub_id if name == "minilm" else name
    here = KnownHere(AdapterStore(tmp_path), [], Silent())
    vars(here)["manifests"] = sorted([on(name, hub_id), on(name, hub_id, "nf4")], key=str, reverse=reverse)
    assert here.named_on_hub(hub_id) == name
    vars(here)["manifests"] = [on(name, hub_id, "nf4")]
    assert here.named_on_hub(hub_id) == name


def test_a_registered_name_is_compared_where_its_weights_are_here(
    theirs: ScoredAdapters, bert: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny BERT stands in for MiniLM."""
    opened = replace(open_backbone(str(bert)), name="minilm")
    monkeypatch.setattr(KnownHere, "backbone", lambda *_: opened)
    sent = theirs.bench.exchange.export(theirs.ids[0], tmp_path / "sent")
    exported = read_sent_manifest(sent)
    for fingerprint, state, code in (
        (opened.fingerprint, "here", 0),
        ("0" * 64, "download", 0),
        ("0" * 64, "here", 2),
    ):
        reference = exported.backbone.model_copy(update={"name": "minilm", "fingerprint": fingerprint})
        write_manifest(exported.model_copy(update={"backbone": reference}), sent)
        availability = Availability(state, "")  # type: ignore[arg-type]  # one of the states
        monkeypatch.setattr(
            "adapter_workbench.experiments.answers.exported_folders.backbone_available",
            lambda *_, found=availability: found,
        )
        done, _, err = call("adapters", "import", "sent", "--workspace", f"{state}{code}")
        assert done == code, err
    assert lacks(err, "trained on other weights than those of 'minilm' here", "--backbone NAME") == []


def test_a_backbone_whose_weights_moved_under_its_name_is_told(theirs: ScoredAdapters, bert: Path) -> None:
    stored = theirs.bench.workspace.adapters.get(theirs.ids[0])
    reference = stored.manifest.backbone.model_copy(update={"fingerprint": "0" * 64})
    moved = replace(stored, manifest=stored.manifest.model_copy(update={"backbone": reference}))
    with pytest.raises(InputError, match="with other weights than it has now"):
        open_adapter(moved, open_backbone(str(bert)))
