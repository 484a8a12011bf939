"""LoRA: a low-rank update beside chosen weight matrices, W + (alpha / rank) B A."""

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices
from adapter_workbench.workbench.settings.bounds import Dropout, Factor, Size


class Settings(TargetedSettings):
    """The update is scaled by ``alpha / rank``; without ``targets`` it is that of attention projections."""

    learning_rate: float = 5e-3
    rank: Size = 8
    alpha: Factor = 16
    dropout: Dropout = 0.0


FIELDS = {"alpha": "lora_alpha", "dropout": "lora_dropout"}
configure = configured_by("LoraConfig", Settings, FIELDS)

METHOD = on_matrices("LoRA", "Hu et al. 2021, arXiv:2106.09685, eq. 3", Settings, configure, embeddings=True)
