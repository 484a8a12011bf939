"""What a sender does with the package adapters, and what becomes of its folder here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.methods.stored_model import open_adapter
from tests.elsewhere.senders import TEXTS, answers, drawn

LABELS = {0: "x", 1: "y", 2: "z"}


def sent_by_adapters(
    base: Path, folder: Path, config: Any, head: Callable[[Any], None], name: str = "sent", pickled: bool = False
) -> Callable[[], Tensor]:
    """Write what the package adapters writes of an adapter under a head of its own; return its model's answers.

    ``head`` adds the head, which has to be called as the adapter is.
    """
    from adapters import AutoAdapterModel

    torch.manual_seed(0)
    model = AutoAdapterModel.from_pretrained(base)
    model.add_adapter(name, config=config)
    head(model)
    model.train_adapter(name)
    drawn(model)
    model.save_adapter(str(folder), name, use_safetensors=not pickled)
    return lambda: answers(model, base)


def sent_from_class(base: Path, folder: Path, loader: str, config: str = "seq_bn", **options: Any) -> Tensor:
    """Write what the package writes of an adapter in a class of transformers; return its model's logits."""
    import adapters
    import transformers

    torch.manual_seed(0)
    model = getattr(transformers, loader).from_pretrained(base, **options)
    adapters.init(model)
    model.add_adapter("sent", config=config)
    model.train_adapter("sent")
    drawn(model)
    model.save_adapter(str(folder), "sent", use_safetensors=True)
    return answers(model, base)


def config_of(name: str, **fields: Any) -> Any:
    from adapters import AdapterConfig

    return AdapterConfig.load(name, **fields)


def classified(**options: Any) -> Callable[[Any], None]:
    return lambda model: model.add_classification_head("sent", num_labels=3, id2label=LABELS, **options)


def taken(folder: Path, base: Path, **options: Any) -> tuple[StoredAdapter, Tensor]:
    """Import a folder; return the adapter, and its logits of all texts."""
    stored = Workbench(folder.parent / "ws", [folder.parent]).exchange.import_adapter(folder, str(base), **options)
    backbone = open_backbone(str(base))
    model = open_adapter(stored, backbone)
    with torch.inference_mode():
        logits: Tensor = model(**tokenise(backbone.tokenizer, TEXTS, padding=True, return_tensors="pt"))["logits"]
    return stored, logits


def edited(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")
