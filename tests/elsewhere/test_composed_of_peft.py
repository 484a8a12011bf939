"""LoRAs of plain peft that adapt different modules: composed as the updates that they are, and served side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import weighted_sum
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.answering.serving import Serving, sharing
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.stored_model import open_adapter
from tests.elsewhere.senders import TEXTS, answers_here, sent_by_peft

SEQ: dict[str, Any] = {"task_type": "SEQ_CLS"}
SENT: dict[str, LoraConfig] = {
    "few": LoraConfig(**SEQ, r=4, lora_alpha=6),
    "wide": LoraConfig(**SEQ, r=2, target_modules="all-linear"),
    "patterns": LoraConfig(**SEQ, target_modules=["query", "dense"], rank_pattern={"layer.0.*query": 2}),
    "whole": LoraConfig(**SEQ, modules_to_save=["LayerNorm"]),
    "tokens": LoraConfig(**SEQ, trainable_token_indices=[5, 6]),
}


@pytest.fixture(scope="module")
def stored(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredAdapter]:
    """Adapters of a workspace by the names of their folders."""
    folder, adapters = tmp_path_factory.mktemp("composed"), {}
    bench = Workbench(folder / "ws", [])
    for number, (name, config) in enumerate(SENT.items()):
        sent_by_peft(bert, folder / name, config, num_labels=2 + number)
        labels = tuple("abcdefg"[: 2 + number])
        adapters[name] = bench.exchange.import_adapter(folder / name, str(bert), labels=labels)
    return adapters


@pytest.mark.parametrize("names", [("few", "wide"), ("wide", "patterns")])
def test_average_of_loras_on_different_modules(names: tuple[str, str], stored: dict[str, StoredAdapter]) -> None:
    """Where one of two adapts a module and the other does not, half of its update is left: the other's is 0."""
    updates = [lora.read(stored[name].folder) for name in names]
    merged = weighted_sum(updates, [0.5, 0.5]).update
    assert merged.keys() == updates[0].keys() | updates[1].keys()
    for module, pair in merged.items():
        parts = [update[module].b @ update[module].a for update in updates if module in update]
        torch.testing.assert_close(pair.b @ pair.a, sum(parts) / 2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("names", [("few", "wide", "patterns"), ("few", "few", "wide")])
def test_rows_of_loras_on_different_modules_share_a_batch(
    names: tuple[str, ...], stored: dict[str, StoredAdapter], backbone: Backbone, bert: Path
) -> None:
    adapters = [stored[name] for name in dict.fromkeys(names)]
    serving = Serving(adapters, backbone)
    assert serving.mixes
    owners = [stored[names[row % len(names)]].id for row in range(len(TEXTS))]
    answers = serving.answers(rows_of(TEXTS), owners)
    for row, (owner, answer) in enumerate(zip(owners, answers, strict=True)):
        adapter = next(candidate for candidate in adapters if candidate.id == owner)
        sure = answers_here(adapter, bert)[row].softmax(dim=0)
        assert answer.words == adapter.manifest.task.labels[int(sure.argmax())]
        np.testing.assert_allclose(answer.confidence, float(sure.max()), atol=1e-5)


def test_loras_beside_whole_modules_take_turns(
    stored: dict[str, StoredAdapter], backbone: Backbone, bert: Path
) -> None:
    groups = sharing([*stored.values()], backbone)
    assert [[adapter.id for adapter in group] for group in groups] == [
        [stored[name].id for name in ("few", "wide", "patterns")],
        [stored[name].id for name in ("whole", "tokens")],
    ]
    serving = Serving(groups[1], backbone)
    assert not serving.mixes
    batch = backbone.tokenizer(TEXTS, padding=True, return_tensors="pt")
    for name in ("whole", "tokens", "whole"):
        with torch.inference_mode():
            logits = serving.switch(stored[name].id)(**batch)["logits"]
            assert torch.equal(logits, open_adapter(stored[name], backbone)(**batch)["logits"])
