"""DeLoRA: a LoRA of normalised rank-one parts, whose length is one learned number; it bounds how far W is moved."""

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices
from adapter_workbench.workbench.settings.bounds import Size, Whole


class Settings(TargetedSettings):
    """``delora_lambda``: where the bound begins. The learning rate is LoRA's, not tuned."""

    learning_rate: float = 5e-3
    rank: Size = 8
    delora_lambda: Whole = 15


METHOD = on_matrices(
    "DeLoRA",
    "Bini et al. 2025, arXiv:2503.18225",
    Settings,
    configured_by("DeloraConfig", Settings),
    reads_weights=True,  # the norms of their columns
    fails_on=("nf4", "int8"),
)
