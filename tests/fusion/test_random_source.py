"""Random twins of sources: the same form and norms, other numbers, and nothing of the trained ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from adapter_workbench.fusion.composing.fuse import composition_key, fuse
from adapter_workbench.fusion.methods import warm_start
from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.fusion.target.random_source import random_like
from adapter_workbench.fusion.updates.lora import read
from adapter_workbench.fusion.updates.lowrank import norm
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from tests.fusion_sources import other_source, train_sources


@pytest.fixture
def twins(sources: tuple[StoredAdapter, ...], tmp_path: Path) -> tuple[StoredAdapter, ...]:
    return tuple(random_like(source, 0, tmp_path / source.id) for source in sources)


def test_every_update_has_the_norm_of_the_trained_one(
    sources: tuple[StoredAdapter, ...], twins: tuple[StoredAdapter, ...]
) -> None:
    for source, twin in zip(sources, twins, strict=True):
        trained, random = read(source.folder), read(twin.folder)
        assert trained.keys() == random.keys()
        for module, pair in trained.items():
            assert (random[module].a.shape, random[module].b.shape) == (pair.a.shape, pair.b.shape)
            assert norm(random[module]) == pytest.approx(norm(pair), rel=1e-4)
            assert random[module].a.norm().item() == pytest.approx(pair.a.norm().item(), rel=1e-4)


def test_it_points_nowhere_that_the_trained_one_points(
    sources: tuple[StoredAdapter, ...], twins: tuple[StoredAdapter, ...]
) -> None:
    """The cosine of independent directions in 32 × 32 dimensions has a standard deviation of about 1 ÷ 32."""
    for module, pair in read(sources[0].folder).items():
        trained, random = ((own.b @ own.a).flatten() for own in (pair, read(twins[0].folder)[module]))
        assert abs(torch.nn.functional.cosine_similarity(trained, random, dim=0).item()) < 0.2


def test_seed_and_source_determine_it(sources: tuple[StoredAdapter, ...], tmp_path: Path) -> None:
    first, again, other_seed = (random_like(sources[0], seed, tmp_path / str(at)) for at, seed in enumerate((0, 0, 1)))
    assert first.identity == again.identity
    assert len({twin.identity for twin in (first, other_seed, random_like(sources[1], 0, tmp_path / "o"))}) == 3
    assert first.identity != sources[0].identity
    assert first.id != sources[0].id


def test_a_composition_of_random_sources_is_another_result(request_: Request, twins: tuple[StoredAdapter, ...]) -> None:
    settings, asked = warm_start.Settings(rank=4), replace(request_, sources=twins)
    assert composition_key("warm-start", asked, settings) != composition_key("warm-start", request_, settings)
    assert fuse("warm-start", asked, settings).record.epochs


def test_of_bottlenecks_every_tensor_has_the_norm(backbone: Backbone, tmp_path: Path) -> None:
    (source,) = train_sources(backbone, tmp_path / "sources", "pfeiffer", count=1)
    trained, random = (
        load_file(folder / "adapter.safetensors")
        for folder in (source.folder, random_like(source, 0, tmp_path / "twin").folder)
    )
    assert trained.keys() == random.keys()
    for name, tensor in trained.items():
        assert not torch.equal(random[name], tensor)
        assert random[name].norm().item() == pytest.approx(tensor.norm().item(), rel=1e-5)


def test_whole_models_have_none(sources: tuple[StoredAdapter, ...], tmp_path: Path) -> None:
    source = other_source(sources[0], "full")
    whole = replace(source, manifest=source.manifest.model_copy(update={"library": "plain"}))
    with pytest.raises(InputError, match="no random twin: it is of plain"):
        random_like(whole, 0, tmp_path / "twin")
