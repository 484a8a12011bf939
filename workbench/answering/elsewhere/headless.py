"""An adapter whose folder has no head: a linear one is fitted on its frozen features, or the backbone has its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from safetensors.torch import save_file
from torch import nn

from adapter_workbench.workbench.adapters.manifest import FittedHead, HeadReference
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE
from adapter_workbench.workbench.methods.layered_head import LINEAR
from adapter_workbench.workbench.methods.stored_model import adaptation_of

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.backbone.pretrained import Backbone, Pooling
    from adapter_workbench.workbench.methods.model import TaskModel

Fit = Callable[["TaskModel", int], tuple[nn.Linear, FittedHead]]  # a model without a head, tokens of its longest text


def with_fitted_head(
    bare: Manifest, folder: Path, backbone: Backbone, pooling: Pooling | None, fit: Fit | None
) -> Manifest:
    """Return the manifest of the adapter in ``folder`` with the head that is written there.

    Args:
        bare: the manifest without a head.
        folder: with the body's weights.
        backbone: that the adapter belongs to.
        pooling: how its sender makes one vector of the token states; None: as the backbone does.
        fit: gives the head; None where the task's kind answers with the backbone's own.
    """
    if fit is None:
        return bare
    reference = HeadReference(pooling=pooling, layers=(LINEAR,)) if pooling not in (None, backbone.pooling) else None
    model = adaptation_of(bare.model_copy(update={"head": reference}), backbone).load(
        folder, nn.Identity(), bare.task.kind
    )
    head, fitted = fit(model, bare.budget.max_length)
    prefix = "0." if reference else ""
    save_file({f"{prefix}{name}": tensor.detach() for name, tensor in head.state_dict().items()}, folder / HEAD_FILE)
    assert bare.elsewhere is not None  # what is taken in is from elsewhere
    return bare.model_copy(update={"head": reference, "elsewhere": bare.elsewhere.model_copy(update={"head": fitted})})
