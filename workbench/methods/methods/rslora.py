"""Rank-stabilised LoRA: the update is scaled by alpha / √rank, so that a high rank learns as fast as a low one."""

from adapter_workbench.workbench.methods.methods import lora
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices


class Settings(lora.Settings):
    """The larger scale asks for a smaller learning rate than LoRA's."""

    learning_rate: float = 2e-3


METHOD = on_matrices(
    "rsLoRA",
    "Kalajdzievski 2023, arXiv:2312.03732, eq. 4",
    Settings,
    configured_by("LoraConfig", Settings, lora.FIELDS, use_rslora=True),
    embeddings=True,
)
