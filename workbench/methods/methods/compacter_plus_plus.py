"""Compacter++: Compacter with one bottleneck in each layer, after the feed-forward block."""

from __future__ import annotations

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods._adapters import package_config
from adapter_workbench.workbench.methods.methods.compacter import CompacterSettings, objection

METHOD = Method(
    title="Compacter++",
    paper="Karimi Mahabadi et al. 2021, arXiv:2106.04647, sec. 4",
    library="adapters",
    settings=CompacterSettings,
    configure=package_config("compacter++"),
    objection=objection,
)
