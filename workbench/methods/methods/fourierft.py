"""FourierFT: a few entries of the update's two-dimensional spectrum, drawn at random, are trained."""

from typing import Any

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices
from adapter_workbench.workbench.settings.bounds import Factor, Seed, Whole


class Settings(TargetedSettings):
    """``n_frequency``: how many entries of a matrix's spectrum; ``random_loc_seed`` draws which, the same everywhere.

    The defaults are peft's, but for the spectrum, which begins at 0 here, so that the model begins as the pretrained
    one. The learning rate is not tuned: the inverse transform divides by the number of a matrix's entries, and a rate
    like LoRA's would move nothing.
    """

    learning_rate: float = 5e-2
    n_frequency: Whole = 1000
    scaling: Factor = 150.0
    random_loc_seed: Seed = 777


def unfit(settings: Any, rows: int, columns: int) -> str | None:
    """Return why a matrix is too small."""
    if settings.n_frequency > rows * columns:
        return f"n_frequency {settings.n_frequency} is more than a matrix of {rows} × {columns} has"
    return None


METHOD = on_matrices(
    "FourierFT",
    "Gao et al. 2024, arXiv:2405.03003",
    Settings,
    configured_by("FourierFTConfig", Settings, init_weights=True),
    unfit,
)
