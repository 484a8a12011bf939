"""DoRA: direction and length of a weight's columns are learned separately, m · (W + B A) / ‖W + B A‖."""

from adapter_workbench.workbench.methods.methods import lora
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices

METHOD = on_matrices(
    "DoRA",
    "Liu et al. 2024, arXiv:2402.09353, eq. 5",
    lora.Settings,
    configured_by("LoraConfig", lora.Settings, lora.FIELDS, use_dora=True),
    embeddings=True,
    reads_weights=True,  # the norms of their columns
)
