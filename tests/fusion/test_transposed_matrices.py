"""LoRAs on GPT-2, whose matrices are stored transposed (Conv1D): peft notes that in the config; B A is as ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.task import Task
from tests.elsewhere.architectures import write_base
from tests.fusion.test_composition_contract import composed_of
from tests.fusion_sources import hidden, request_for, train_sources
from tests.sampled import waiting

OF_PEFT = [name for name in COMPOSITIONS.names() if "peft" in COMPOSITIONS.get(name).libraries]


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return open_backbone(str(write_base(tmp_path_factory.mktemp("gpt2"), "gpt2")))


@pytest.fixture(scope="module")
def sources(gpt2: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredAdapter, ...]:
    return train_sources(gpt2, tmp_path_factory.mktemp("sources"), "lora", rank=4)


def test_average_of_two_is_the_average_of_their_updates(sources: tuple[StoredAdapter, ...], gpt2: Backbone) -> None:
    """Beside the base model whose transposed matrices got half of each (B A)ᵀ by hand."""
    card = COMPOSITIONS.get("average")
    composed = card.compose(request_for(sources[:2], None, gpt2), card.settings())
    base = gpt2.load()
    with torch.no_grad():
        for source in sources[:2]:
            for module, pair in lora.read(source.folder).items():
                base.get_submodule(module).weight += (pair.b @ pair.a).T / 2  # type: ignore[operator]
    torch.testing.assert_close(hidden(composed.body), hidden(base), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [waiting(name, unless=name in {"single", "ties"}) for name in OF_PEFT])
def test_composition_takes_them(name: str, sources: tuple[StoredAdapter, ...], task: Task, gpt2: Backbone) -> None:
    card = COMPOSITIONS.get(name)
    request = request_for(sources, task if card.needs_target else None, gpt2)
    composed = composed_of(name, request if card.reads_sources else replace(request, source_tasks={}))
    assert torch.isfinite(hidden(composed.body)).all()
