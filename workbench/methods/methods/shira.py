"""SHiRA: a few entries of each matrix, drawn at random, are trained; the update is sparse and of high rank."""

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices
from adapter_workbench.workbench.settings.bounds import Seed, Size


class Settings(TargetedSettings):
    """``rank``: as many entries are trained as a LoRA of this rank has; ``mask_seed`` draws which."""

    learning_rate: float = 5e-3
    rank: Size = 8
    mask_seed: Seed = 0


def unfit(settings: Settings, rows: int, columns: int) -> str | None:
    """Return why a matrix is too small."""
    if settings.rank * (rows + columns) > rows * columns:
        return f"rank {settings.rank} asks for more entries than a matrix of {rows} × {columns} has"
    return None


METHOD = on_matrices(
    "SHiRA",
    "Bhardwaj et al. 2024, arXiv:2406.13175, sec. 3",
    Settings,
    configured_by("ShiraConfig", Settings, {"mask_seed": "random_seed"}),
    unfit,
    adds_to_weights=True,  # a sparse one
)
