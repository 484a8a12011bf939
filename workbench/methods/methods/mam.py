"""Mix-and-match adapter: a short prefix in each attention, and a parallel adapter beside each feed-forward block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import parallel, prefix

if TYPE_CHECKING:
    from adapters import MAMConfig
    from transformers import PretrainedConfig


class Settings(prefix.Settings, parallel.Settings):
    """Those of prefix tuning and of the parallel adapter."""

    learning_rate: float = 5e-3


def configure(settings: Settings, config: PretrainedConfig) -> MAMConfig:
    """Return the package's configuration: both parts of it."""
    from adapters import MAMConfig, ParBnConfig

    adapter = ParBnConfig(reduction_factor=settings.reduction_factor, scaling=settings.scaling)
    return MAMConfig(prefix.configure(settings, config), adapter)


METHOD = Method(
    title="Mix-and-match adapter",
    paper="He et al. 2022, arXiv:2110.04366, sec. 4.6",
    library="adapters",
    settings=Settings,
    configure=configure,
    objection=prefix.objection,
)
