"""C3A: the update is made of circulant blocks, each a circular convolution with one learned kernel."""

from adapter_workbench.workbench.methods.libraries.peft import TargetedSettings
from adapter_workbench.workbench.methods.methods._peft import configured_by, divides, on_matrices
from adapter_workbench.workbench.settings.bounds import Size


class Settings(TargetedSettings):
    """``block_size``: of a block, of which one row is learned; it divides rows and columns of every matrix.

    peft's own is 256, which does not divide MiniLM's 384; its kernels begin at random, and at 0 here, so that the model
    begins as the pretrained one. The learning rate is ten times LoRA's, because peft
    divides what the kernels give by the width; it is not tuned.
    """

    learning_rate: float = 5e-2
    block_size: Size = 32


METHOD = on_matrices(
    "C3A",
    "Chen et al. 2024, arXiv:2407.19342",
    Settings,
    configured_by("C3AConfig", Settings, init_weights=True),
    divides("block_size", "rows", "columns"),
    fails_on=("nf4", "int8"),
)
