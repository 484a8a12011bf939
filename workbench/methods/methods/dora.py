"""DoRA: direction and length of a weight's columns are learned separately, m · (W + B A) / ‖W + B A‖."""

from __future__ import annotations

from functools import partial

from adapter_workbench.workbench.methods.libraries.peft import needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import lora

configure = partial(lora.configure, use_dora=True)

METHOD = Method(
    title="DoRA",
    paper="Liu et al. 2024, arXiv:2402.09353, eq. 5",
    library="peft",
    settings=lora.Settings,
    reads_weights=True,  # the norms of their columns
    configure=configure,
    objection=needs_targets(configure, embeddings=True),
)
