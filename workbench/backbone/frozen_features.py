"""For how long the features of a body are kept: as long as it is proven that its weights are the pretrained ones."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from adapter_workbench.workbench.backbone.feature_store import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.workbench.backbone.network import Network
    from adapter_workbench.workbench.backbone.pretrained import Backbone


@contextmanager
def features_kept(model: Network, backbone: Backbone, is_bare: bool = False) -> Iterator[None]:
    """Keep what the body of ``model`` gives for the batches of the block, and take what was kept before.

    Features of a body that is proven to have the pretrained weights serve later blocks too; where there is no proof
    (on an accelerator, or of a quantised backbone), they are dropped at the end of the block.

    Args:
        model: its body does not change in the block.
        backbone: that the body is of.
        is_bare: the body was just loaded, and nothing was put on it: that is proof enough.
    """
    proven = is_bare or backbone.is_untouched(model.body)
    body = backbone.identity if proven else uuid4().hex
    before, model.body_key = model.body_key, body
    try:
        yield
    finally:
        model.body_key = before
        if not proven:
            FEATURES.forget(body)
