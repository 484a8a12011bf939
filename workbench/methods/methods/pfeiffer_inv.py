"""Invertible Pfeiffer adapter: the Pfeiffer adapter and, after the embeddings, an invertible layer (NICE coupling)."""

from __future__ import annotations

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods._adapters import InvertibleSettings, lacks_architecture, package_config

METHOD = Method(
    title="Invertible Pfeiffer adapter (MAD-X)",
    paper="Pfeiffer et al. 2020, arXiv:2005.00052, sec. 4.2, eq. 3",
    library="adapters",
    settings=InvertibleSettings,
    configure=package_config("seq_bn_inv"),
    objection=lacks_architecture,
)
