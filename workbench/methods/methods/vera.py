"""VeRA: all layers share one pair of frozen random matrices; each layer learns two vectors, Λ_b B Λ_d A."""

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices
from adapter_workbench.workbench.settings.bounds import Size


class Settings(TargetedSettings):
    """``rank``: of the random matrices; they are stored along, since a seed means other numbers to another torch."""

    learning_rate: float = 2e-2
    rank: Size = 256


METHOD = on_matrices(
    "VeRA", "Kopiczko et al. 2024, arXiv:2310.11454, eq. 2", Settings, configured_by("VeraConfig", Settings)
)
