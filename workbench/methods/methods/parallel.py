"""Parallel adapter: a bottleneck beside the feed-forward block of each layer, its output scaled and added."""

from __future__ import annotations

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods._adapters import BottleneckSettings, lacks_architecture, package_config
from adapter_workbench.workbench.settings.bounds import Factor


class Settings(BottleneckSettings):
    """``scaling``: s in h + s · adapter(x)."""

    scaling: Factor = 4.0


METHOD = Method(
    title="Parallel adapter",
    paper="He et al. 2022, arXiv:2110.04366, sec. 3.3",
    library="adapters",
    settings=Settings,
    configure=package_config("par_bn"),
    objection=lacks_architecture,
)
