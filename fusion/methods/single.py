"""single: one source, unchanged, under a new head; the plainest way to reuse an adapter, and a baseline.

MerA, which is cited for how strong it is, merges adapters by optimal transport; nothing of that is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings, exactly
from adapter_workbench.workbench.methods.stored_model import adaptation_of, open_adapter

if TYPE_CHECKING:
    from adapter_workbench.fusion.target.composition import Request


require_one = exactly(1, "single takes one source")


def compose(request: Request, settings: CompositionSettings) -> Composed:
    """Return the one source's body.

    Raises:
        InputError: there are several sources.
    """
    require_one(len(request.sources), settings)
    source = request.sources[0]
    body, adaptation = open_adapter(source, request.backbone).body, adaptation_of(source.manifest, request.backbone)
    return Composed(body, source.manifest.method, adaptation.settings, described=adaptation.described)


COMPOSITION = Composition(
    title="Single adapter",
    paper="He et al. 2023, MerA, arXiv:2308.15982: single adapters can beat AdapterFusion",
    settings=CompositionSettings,
    compose=compose,
    libraries=("peft", "adapters", "plain"),
    require_number=require_one,
)
