"""Houlsby adapter: two bottlenecks in each layer, after attention and after the feed-forward block."""

from __future__ import annotations

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods._adapters import BottleneckSettings, lacks_architecture, package_config

METHOD = Method(
    title="Houlsby adapter",
    paper="Houlsby et al. 2019, arXiv:1902.00751, fig. 2",
    library="adapters",
    settings=BottleneckSettings,
    configure=package_config("double_seq_bn"),
    objection=lacks_architecture,
)
