"""Pfeiffer adapter: one bottleneck after the feed-forward block of each layer."""

from __future__ import annotations

from workbench.contracts import Method
from workbench.libraries.adapters import BottleneckSettings, bottleneck

METHOD = Method(
    title="Pfeiffer adapter",
    paper="Pfeiffer et al. 2021, arXiv:2005.00247, fig. 3",
    library="adapters",
    settings=BottleneckSettings,
    configure=bottleneck("seq_bn"),
)
