"""Pfeiffer adapter: one bottleneck after the feed-forward block of each layer."""

from __future__ import annotations

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods._adapters import BottleneckSettings, lacks_architecture, package_config

METHOD = Method(
    title="Pfeiffer adapter",
    paper="Pfeiffer et al. 2021, arXiv:2005.00247, fig. 3",
    library="adapters",
    settings=BottleneckSettings,
    configure=package_config("seq_bn"),
    objection=lacks_architecture,
)
