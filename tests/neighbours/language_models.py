"""What a language model says after each text: of its own program, and of what came in of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.methods.stored_model import backbone_of, open_adapter
from tests.elsewhere.senders import TEXTS


def said_by(model: Any, tokenizer: Any) -> Tensor:
    """Return the logits of the token after each text (texts, vocabulary) of a model of transformers or peft."""
    model.eval()
    with torch.inference_mode():
        return torch.stack([model(**_ids(tokenizer, text)).logits[0, -1].float() for text in TEXTS])


def said_here(folder: Path, base: Path | str, workspace: Path) -> Tensor:
    """Import a folder; return the same of the adapter."""
    return said_of(Workbench(workspace, []).exchange.import_adapter(folder, str(base)))


def said_of(stored: StoredAdapter) -> Tensor:
    """Return the same of an adapter."""
    backbone = backbone_of(stored)
    model = open_adapter(stored, backbone)
    with torch.inference_mode():
        return torch.stack([model(**_ids(backbone.tokenizer, text))["logits"][0, -1] for text in TEXTS])


def largest(here: Tensor, there: Tensor) -> float:
    """Return the largest absolute difference."""
    return float((here - there).abs().max())


def _ids(tokenizer: Any, text: str) -> dict[str, Tensor]:
    return dict(tokenizer(text, return_tensors="pt", return_token_type_ids=False))
