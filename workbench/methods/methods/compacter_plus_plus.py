"""Compacter++: Compacter with one bottleneck in each layer, after the feed-forward block."""

from __future__ import annotations

from workbench.methods.method import Method
from workbench.methods.methods._adapters import package_config
from workbench.methods.methods._compacter import CompacterSettings, objection

METHOD = Method(
    title="Compacter++",
    paper="Karimi Mahabadi et al. 2021, arXiv:2106.04647, sec. 4",
    library="adapters",
    settings=CompacterSettings,
    configure=package_config("compacter++"),
    objection=objection,
)
