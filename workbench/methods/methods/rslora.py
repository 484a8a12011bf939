"""Rank-stabilised LoRA: the update is scaled by alpha / √rank, so that a high rank learns as fast as a low one."""

from __future__ import annotations

from functools import partial

from adapter_workbench.workbench.methods.libraries.peft import needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import lora


class Settings(lora.Settings):
    """The larger scale asks for a smaller learning rate than LoRA's."""

    learning_rate: float = 2e-3


configure = partial(lora.configure, use_rslora=True)

METHOD = Method(
    title="rsLoRA",
    paper="Kalajdzievski 2023, arXiv:2312.03732, eq. 4",
    library="peft",
    settings=Settings,
    configure=configure,
    objection=needs_targets(configure, embeddings=True),
)
