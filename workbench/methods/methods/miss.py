"""MiSS: every run of `rank` columns of a matrix gets the same update, D repeated along them; only D is trained."""

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices
from adapter_workbench.workbench.settings.bounds import Size


class Settings(TargetedSettings):
    """``rank``: columns in a run; D is (out, rank). The learning rate is LoRA's, not tuned; peft's rank is 64."""

    learning_rate: float = 5e-3
    rank: Size = 16


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix has too few columns."""
    rank = settings.rank
    return f"rank {rank} is more than the {columns} columns of a matrix" if rank > columns else None


METHOD = on_matrices(
    "MiSS",
    "Kang and Yin 2024 (first called Bone), arXiv:2409.15371",
    Settings,
    configured_by("MissConfig", Settings),
    unfit,
)
