"""A source's form without its skill: random numbers of the same norms in the place of everything that it learned."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from adapter_workbench.workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS, PEFT_WEIGHTS
from adapter_workbench.workbench.adapters.manifest import MANIFEST
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.digest import key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from torch import Tensor

FILES = {"peft": PEFT_WEIGHTS, "adapters": ADAPTERS_WEIGHTS}  # by library
REVISION = 1  # of how the numbers are drawn: results of another revision are made again


def random_identity(identity: str, seed: int) -> str:
    """Return what determines the random twin of the source with this identity, which need not be trained yet."""
    return key(["random source", REVISION, identity, seed])


def random_like(source: StoredAdapter, seed: int, folder: Path) -> StoredAdapter:
    """Return an adapter in ``folder`` that is ``source`` but for its weights, which are drawn from ``seed``.

    Every number comes from a normal distribution with mean 0. Of a LoRA, A has the Frobenius norm of the source's in
    each module, and B is scaled until the update B A has: two random factors with the norms of trained ones would
    multiply to a smaller update, since those of a trained LoRA point the same way. Of a bottleneck each tensor has the
    source's norm. The head, which no composition adds up, stays the source's.

    Raises:
        InputError: the source is neither a LoRA nor a bottleneck.
    """
    import torch  # a plan, which knows of random sources too, does without
    from safetensors.torch import load_file, save_file

    library = source.manifest.library
    if library not in FILES:
        raise InputError(f"{source.id} has no random twin: it is of {library}", hint="LoRAs and bottlenecks have one.")
    shutil.copytree(source.folder, folder)
    path = folder / FILES[library]
    path.unlink()
    generator = torch.Generator().manual_seed(int(random_identity(source.identity, seed)[:15], 16))
    save_file(random_tensors(load_file(source.folder / FILES[library]), generator), path)
    changes = {"id": f"{source.id}-random", "files": checksummed.digests(folder, MANIFEST)}
    return StoredAdapter(source.manifest.model_copy(update=changes), folder)


def random_tensors(tensors: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Return random tensors of the same names, shapes and norms; where two are factors, their product has its norm."""
    from adapter_workbench.fusion.updates.lowrank import LowRank, norm

    drawn = {name: _with_norm(tensors[name], generator) for name in sorted(tensors)}
    for of_b in drawn:
        of_a = of_b.replace("lora_B", "lora_A")
        if of_a == of_b or of_a not in tensors or {tensors[of_a].dim(), tensors[of_b].dim()} != {2}:
            continue
        wanted, is_now = (norm(LowRank(pair[of_b].float(), pair[of_a].float())) for pair in (tensors, drawn))
        drawn[of_b] *= wanted / is_now if is_now else 1.0
    return drawn


def _with_norm(tensor: Tensor, generator: torch.Generator) -> Tensor:
    import torch

    numbers = torch.randn(tensor.shape, generator=generator)
    scaled: Tensor = numbers * (tensor.float().norm() / numbers.norm())
    return scaled.to(tensor.dtype)
