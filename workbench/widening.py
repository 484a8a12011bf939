"""A resident copy of a backbone straight from its files: no model is loaded for it, and no second copy is in memory."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from workbench.architecture import skeleton
from workbench.checkpoint import BROKEN, require_whole
from workbench.errors import InputError, opening
from workbench.memory_file import MemoryFile
from workbench.resident import Resident
from workbench.stored_tensors import assigned
from workbench.transformers_api import without_bars

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn
    from transformers import PretrainedConfig

    from workbench.stored_tensors import Assignment


def widened(folder: Path, config: PretrainedConfig) -> Resident | None:
    """Return a resident copy of the transformer in ``folder``, in float32; a part of one tensor is widened at a time.

    Returns:
        None where only loading can make one, or where the files hold most of it in float32 already.

    Raises:
        InputError: the weights cannot be read, or are not those that the config describes.
        OSError: there is no room for it.
    """
    parts = assigned(skeleton(config), folder)
    if parts is None or not _are_narrow(parts):
        return None
    require_whole(folder, config, {"missing_keys": [], "unexpected_keys": parts.unexpected})
    stored = parts.parameters
    file = MemoryFile([each.shape for each in stored.values()], [torch.float32] * len(stored))
    for number, each in enumerate(stored.values()):
        file.write(number, each.chunks())
    file.seal()
    views = file.mapped()
    buffers = {name: each.read() for name, each in parts.buffers.items()}
    with suppress(InputError):  # whatever stands in the way, loading will tell
        model = _built({**dict(zip(stored, views, strict=True)), **buffers}, folder, config)
        if [each.data_ptr() for each in model.parameters()] == [each.data_ptr() for each in views]:
            return Resident(model, file)
    return None


def _built(weights: Mapping[str, Tensor], folder: Path, config: PretrainedConfig) -> nn.Module:
    """Return what transformers makes of these weights; it copies none that has the right type."""
    empty: Any = skeleton(config)
    with opening("the model", str(folder), BROKEN), torch.random.fork_rng(devices=[]), without_bars():
        body = empty.from_pretrained(None, config=copy.deepcopy(config), state_dict=weights, dtype=torch.float32)
    body.name_or_path = body.config.name_or_path = str(folder)  # of weights in memory it knows none
    model: nn.Module = body.eval()
    return model


def _are_narrow(parts: Assignment) -> bool:
    """Return whether most numbers are stored in fewer bits than float32's."""
    sizes = [(each.type != "F32", each.numbers) for each in parts.parameters.values()]
    return 2 * sum(numbers for narrow, numbers in sizes if narrow) > sum(numbers for _, numbers in sizes)
