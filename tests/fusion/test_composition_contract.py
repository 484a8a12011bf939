"""What every composition method has to fulfil; a new file is tested without a new test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import Composed, CompositionSettings, Request
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.fingerprints import fingerprint
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from tests.fusion_sources import hidden, request_for, train_sources

METHOD_OF = {"peft": "lora", "adapters": "pfeiffer", "plain": "head"}  # whose adapters stand for a library
CASES = [(name, library) for name in COMPOSITIONS.names() for library in COMPOSITIONS.get(name).libraries]


@pytest.fixture(scope="module")
def sources(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[StoredAdapter, ...]]:
    root = tmp_path_factory.mktemp("sources")
    return {library: train_sources(backbone, root / library, method) for library, method in METHOD_OF.items()}


def composed_of(name: str, request: Request) -> Composed:
    """Compose three sources, or as many as the method takes."""
    card = COMPOSITIONS.get(name)
    for count in (3, 2):
        try:
            return card.compose(Request(**{**vars(request), "sources": request.sources[:count]}), card.settings())
        except InputError:
            continue
    return card.compose(Request(**{**vars(request), "sources": request.sources[:1]}), card.settings())


@pytest.mark.parametrize("name", COMPOSITIONS.names())
def test_a_card_is_complete(name: str) -> None:
    card = COMPOSITIONS.get(name)
    assert COMPOSITIONS.describe(name)
    assert card.title
    assert card.paper
    assert card.libraries
    assert issubclass(card.settings, CompositionSettings)
    assert card.settings(), "every setting has a default"


@pytest.mark.parametrize(("name", "library"), CASES)
def test_what_it_makes_comes_back_bit_for_bit_and_leaves_the_backbone_as_it_was(
    name: str,
    library: str,
    sources: dict[str, tuple[StoredAdapter, ...]],
    task: Task,
    backbone: Backbone,
    tmp_path: Path,
) -> None:
    card = COMPOSITIONS.get(name)
    asked = request_for(sources[library], task if card.needs_target else None, backbone)
    composed = composed_of(name, asked if card.reads_sources else replace(asked, source_tasks={}))
    assert isinstance(composed.settings, METHODS.get(composed.method).settings)
    assert (composed.head is None) == (composed.fit is None)
    assert (composed.fit is not None) == card.trains, "else ``heads`` passes it by, or tries it twice for nothing"
    adaptation = Adaptation(backbone, composed.method, composed.settings, "fp32")
    adaptation.library.save(composed.body, tmp_path)
    again = adaptation.load(tmp_path, torch.nn.Identity(), "classification")
    assert torch.equal(hidden(again.body), hidden(composed.body))
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} <= {".json", ".safetensors"}
    for body in (composed.body, again.body):
        bare = adaptation.library.detach(body)
        assert fingerprint(bare.named_parameters()) == backbone.fingerprint
