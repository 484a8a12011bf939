"""Checkpoints of a fit that several processes share: each stores what it holds, all weights or a part, and reads it.

transformers' own cannot be read again by processes that compute on a processor. They are read by as many processes as
wrote them: how many is part of a lesson's key, by which its folder is named.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.tensor import DTensor

from adapter_workbench.workbench.machine import processes

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Trainer


def in_parts() -> bool:
    """Return whether checkpoints are written in parts."""
    return processes.count() > 1 or processes.shards()


def store_part(trainer: Trainer, folder: Path) -> None:
    """Write what this process holds of the trained weights and of the optimiser, and where the schedule is."""
    part = {
        "weights": {name: parameter.detach() for name, parameter in trainer.model.trainable().items()},
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": trainer.lr_scheduler.state_dict(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(_local_parts(part), _path(folder))


@torch.no_grad()
def take_up_part(trainer: Trainer, folder: Path) -> None:
    """Continue with what :func:`store_part` wrote."""
    part = torch.load(_path(folder), map_location="cpu", weights_only=True)
    for name, parameter in trainer.model.trainable().items():
        _local(parameter).copy_(part["weights"][name])
    trainer.optimizer.load_state_dict(part["optimizer"])
    for parameter, state in trainer.optimizer.state.items():
        state.update({name: _like(parameter, value) for name, value in state.items()})
    trainer.lr_scheduler.load_state_dict(part["scheduler"])


def _path(folder: Path) -> Path:
    return folder / f"part-{processes.rank()}.pt"


def _local_parts(value: Any) -> Any:
    """Return nested states with what this process holds in the place of each tensor that is dealt out."""
    if isinstance(value, dict):
        return {name: _local_parts(inner) for name, inner in value.items()}
    return [_local_parts(inner) for inner in value] if isinstance(value, list) else _local(value)


def _local(value: Any) -> Any:
    return value.to_local() if isinstance(value, DTensor) else value


def _like(parameter: Tensor, value: Any) -> Any:
    """Return an optimiser state dealt out as ``parameter`` is; a state that is a single number is returned as it is."""
    if not isinstance(parameter, DTensor) or not isinstance(value, torch.Tensor) or value.dim() == 0:
        return value
    shape, stride = parameter.shape, parameter.stride()
    return DTensor.from_local(value, parameter.device_mesh, parameter.placements, shape=shape, stride=stride)
