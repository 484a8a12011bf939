"""Adapters of peft on tiny models, exported, with what the workbench itself computes of the same inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.for_peft.exported import oldest_peft, write_for_peft
from adapter_workbench.workbench.answering.for_peft.placed import LIBRARIES, PROMPTS, Placed, placed
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import describe, keep, open_adapter
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import toy

ROWS = [[5, 6, 7, 9, 11, 3], [8, 11, 3, 0, 0, 0]]  # the second row is padded
DECODED = [[0, 5, 6], [0, 7, 8]]
WRITTEN = 4  # tokens
SMALLER: dict[str, dict[str, int]] = {  # settings that fit matrices of 32 × 16
    "c3a": {"block_size": 16},
    "fourierft": {"n_frequency": 100},
    "wave-ft": {"n_frequency": 100},
    "road": {"group_size": 16},
    "vblora": {"vector_length": 16},
}
METHODS_OF_PEFT = [name for name in METHODS.names() if METHODS.get(name).library in LIBRARIES]


@dataclass(frozen=True)
class Exported:
    """An adapter, the folder that it was exported to, and what it has to answer there.

    Attributes:
        stored: as it is in its store.
        backbone: that it belongs to.
        folder: the exported one.
        form: how peft opens it.
        wanted: what the workbench computes: logits, or the states where the form has no head.
        tokens: that it writes after the first row.
    """

    stored: StoredAdapter
    backbone: Backbone
    folder: Path
    form: Placed
    wanted: Tensor
    tokens: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The adapter's id."""
        return self.stored.id

    @property
    def oldest(self) -> str:
        """The version of peft that its card names."""
        return oldest_peft(self.form.config)

    @property
    def job(self) -> dict[str, Any]:
        """For :mod:`tests.neighbours.reads_exports`."""
        inputs = {name: rows.tolist() for name, rows in inputs_for(self.stored, self.backbone).items()}
        job = {"name": self.name, "folder": str(self.folder), "inputs": inputs, "writes": len(self.tokens)}
        return job | {"cached": self.stored.manifest.library != PROMPTS}  # as its card says

    def difference(self, found: dict[str, Any]) -> float:
        """Return the largest difference to what another program computed of real tokens, and wrote as this one does."""
        assert found["tokens"] == self.tokens, self.name
        values = torch.tensor(found["values"])
        if values.dim() == 2:  # of texts
            return float((values - self.wanted).abs().max())
        values = values[:, -self.wanted.shape[1] :]  # a prompt has states of its own
        real = torch.tensor(ROWS) != 0
        if self.wanted.shape[1] != real.shape[1]:
            return float((values - self.wanted).abs().max())
        return float((values[real] - self.wanted[real]).abs().max())


def inputs_for(stored: StoredAdapter, backbone: Backbone) -> dict[str, Tensor]:
    """Return a batch that a model reads."""
    ids = torch.tensor(ROWS)
    inputs = {"input_ids": ids, "attention_mask": (ids != 0).long()}
    if stored.manifest.task.kind == "seq2seq":
        return inputs | {"decoder_input_ids": torch.tensor(DECODED)}
    return inputs | ({"decoder_input_ids": ids} if backbone.config.is_encoder_decoder else {})


def adapter_of(method: str, kind: str, backbone: Backbone, store: AdapterStore, **settings: Any) -> StoredAdapter:
    """Store an adapter of a method with random numbers in all that it trains.

    Raises:
        InputError: the method cannot work on the backbone for this kind of task.
    """
    task, card = toy(kind), METHODS.get(method)
    small = {name: value for name, value in SMALLER.get(method, {}).items() if name in card.settings.model_fields}
    adaptation = Adaptation(backbone, method, card.settings(**{**small, **settings}), "fp32")
    model = adaptation.fresh(kind, len(task.labels) or 1, seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.trainable().values():
            weight.add_(0.1 * torch.randn_like(weight))
    record = FitRecord((), 0, 0.5, 0, 0.0, None, 1)
    name = f"{kind}-{method}-{backbone.folder.name}-{backbone.pooling}"
    manifest = describe(name, task, adaptation, Budget(max_length=16), 0, record)
    return keep(model, adaptation, manifest, store)


def exported(stored: StoredAdapter, backbone: Backbone, folder: Path) -> Exported:
    """Export an adapter for peft."""
    form = placed(stored, backbone)
    store, front_matter = AdapterStore(stored.folder.parent), "---\nlicense: mit\n---\n"
    store.export(stored.id, folder, front_matter, lambda copy: write_for_peft(stored, form, copy))
    model, kind = open_adapter(stored, backbone), stored.manifest.task.kind
    inputs = inputs_for(stored, backbone)
    with torch.inference_mode():
        if form.why:
            return Exported(stored, backbone, folder, form, model.states(**inputs))
        if kind in GENERATED:
            logits = model.head(model.states(**inputs))
            return Exported(stored, backbone, folder, form, logits, [*_written(model, inputs)])
        scale = stored.manifest.task.scale or (0.0, 1.0)
        return Exported(stored, backbone, folder, form, model(**inputs)["logits"] * scale[1] + scale[0])


def _written(model: Any, inputs: dict[str, Tensor]) -> Iterator[int]:
    """Yield the tokens that are most likely after the first row, one after another; none of them ends the answer."""
    first = {name: rows[:1] for name, rows in inputs.items()}
    grows = "decoder_input_ids" if "decoder_input_ids" in first else "input_ids"
    if grows == "decoder_input_ids":
        first[grows] = first[grows][:, :1]
    for _ in range(WRITTEN):
        scores = model.head(model.states(**first))[0, -1].clone()
        scores[3] = -np.inf  # the end token
        token = scores.argmax().view(1, 1)
        yield int(token)
        first[grows] = torch.cat([first[grows], token], dim=1)
        if grows == "input_ids":
            first["attention_mask"] = torch.ones_like(first[grows])
