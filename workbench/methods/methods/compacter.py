"""Compacter: Houlsby adapters whose projections are sums of Kronecker products with a factor shared by all layers."""

from __future__ import annotations

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods._adapters import package_config
from adapter_workbench.workbench.methods.methods._compacter import CompacterSettings, objection

METHOD = Method(
    title="Compacter",
    paper="Karimi Mahabadi et al. 2021, arXiv:2106.04647, eq. 4–5",
    library="adapters",
    settings=CompacterSettings,
    configure=package_config("compacter"),
    objection=objection,
)
