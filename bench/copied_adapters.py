"""Many adapters out of one: copies with other weights, which take no time to learn."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING
from zlib import crc32

import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS, PEFT_WEIGHTS
from bench.growth import BUDGET, pairs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

SPREAD = 0.02  # of the weights of a copy: of the size that training leaves
REDRAWN = (PEFT_WEIGHTS, ADAPTERS_WEIGHTS)


def originals(folder: Path, methods: Sequence[str], **budget: str) -> list[StoredAdapter]:
    """Train an adapter of each method, from next to nothing, in a workspace of their own below a folder."""
    (task,) = pairs(folder / "tasks", 1)
    workbench = Workbench(folder / "originals", [folder / "tasks"])
    lessons = (workbench.lesson(task, method, budget={**BUDGET, **budget}) for method in methods)
    return [workbench.train(lesson).adapter for lesson in lessons]


def copy_adapter(adapter: StoredAdapter, store: AdapterStore, task: str, version: int = 0) -> str:
    """Store an adapter for another task, with other weights where it is a LoRA or a bottleneck; return its id."""
    manifest = adapter.manifest
    name = f"{task}-{manifest.method}-{version}"

    def write(draft: Path) -> None:
        for file in manifest.files:
            shutil.copy(adapter.folder / file, draft / file)
        drawn = torch.Generator().manual_seed(crc32(name.encode()))  # the same in every process
        for weights in (draft / file for file in REDRAWN if (draft / file).is_file()):
            shapes = {key: tensor.shape for key, tensor in load_file(weights).items()}
            save_file({key: SPREAD * torch.randn(shape, generator=drawn) for key, shape in shapes.items()}, weights)

    of_task = manifest.task.model_copy(update={"name": task})
    return store.save(manifest.model_copy(update={"id": name, "task": of_task}), write).id
