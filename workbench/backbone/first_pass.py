"""Whether a model reads texts at all: a few tokens are tried once, so that a bad config is reported early.

transformers builds models of many configs that fail at their first text: an activation that is none, a setting that
only a decoder has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.model_folder import CONFIG
from adapter_workbench.workbench.errors import blaming

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from adapter_workbench.workbench.machine.device import Precision

TOKENS = ((0, 1, 0, 1),)  # every vocabulary has them
HINT = "Is it the model that you mean? Its config.json may be damaged."

_read: set[str] = set()  # states of the files of models that have read something, in this process


def require_reading(body: nn.Module, folder: Path, state: str | None, precision: Precision) -> None:
    """Let a model read a few tokens, once in a process for each state of its files.

    Args:
        body: in evaluation mode, on whatever device.
        folder: that it was loaded from.
        state: of its files; None where they may have changed.
        precision: of the arithmetic.

    Raises:
        InputError: the model fails, or returns no states.
    """
    import torch

    if state in _read:
        return
    model: Any = body
    device = next(body.parameters()).device
    ids = torch.tensor(TOKENS, device=device)
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = ids
    half = torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
    with blaming("the model of this config fails on its first text", str(folder / CONFIG), HINT), torch.no_grad(), half:
        assert model(**given).last_hidden_state.shape[:2] == ids.shape
    if state is not None:
        _read.add(state)
