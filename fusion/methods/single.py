"""single: one source, unchanged, under a new head; the plainest way to reuse an adapter, and a baseline.

MerA, which is cited for how strong it is, merges adapters by optimal transport; nothing of that is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusion.target.composition import Composed, Composition, CompositionSettings
from workbench.errors import InputError
from workbench.methods.stored_model import adaptation_of, open_adapter

if TYPE_CHECKING:
    from fusion.target.composition import Request


def compose(request: Request, settings: CompositionSettings) -> Composed:
    """Return the one source's body.

    Raises:
        InputError: there are several sources.
    """
    if len(request.sources) != 1:
        names = ", ".join(source.id for source in request.sources)
        raise InputError(f"single takes one source, got {len(request.sources)}: {names}")
    source = request.sources[0]
    body, adaptation = open_adapter(source, request.backbone).body, adaptation_of(source.manifest, request.backbone)
    return Composed(body, source.manifest.method, adaptation.settings, described=adaptation.described)


COMPOSITION = Composition(
    title="Single adapter",
    paper="He et al. 2023, MerA, arXiv:2308.15982: single adapters can beat AdapterFusion",
    settings=CompositionSettings,
    compose=compose,
    libraries=("peft", "adapters", "plain"),
    takes=1,
)
