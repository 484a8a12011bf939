"""WaveFT: a few wavelet coefficients of the update, drawn at random, are trained."""

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, on_matrices
from adapter_workbench.workbench.methods.methods.fourierft import unfit
from adapter_workbench.workbench.settings.bounds import Factor, Seed, Whole


class Settings(TargetedSettings):
    """``n_frequency``: how many coefficients of a matrix, as of `fourierft` (peft's own: 2592); wavelets are Haar's.

    The learning rate is LoRA's, not tuned.
    """

    learning_rate: float = 5e-3
    n_frequency: Whole = 1000
    scaling: Factor = 25.0
    random_loc_seed: Seed = 777


METHOD = on_matrices(
    "WaveFT",
    "Bilican et al. 2025, arXiv:2505.12532",
    Settings,
    configured_by("WaveFTConfig", Settings, tuner="WAVEFT"),
    unfit,
)
