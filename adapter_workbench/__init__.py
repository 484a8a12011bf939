"""What programs import of the Adapter Workbench: ``Workbench``, and callbacks of a Trainer. All else may change.

The four packages lie beside this folder in a checkout, as links, and in it once it is installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from adapter_workbench._platform import refusal

if TYPE_CHECKING:
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.remedies.callback import RemedyCallback
    from adapter_workbench.experiments.remedies.chosen_parts import OSF, InfLoRA, SDLoRA, SEQStar
    from adapter_workbench.experiments.remedies.der_plus_plus import DERPlusPlus
    from adapter_workbench.experiments.remedies.for_trainers import AGEM, ELLA, EWC, L2ToStart, NLoRA, OLoRA
    from adapter_workbench.experiments.remedies.keep_close import KeepCloseTo
    from adapter_workbench.experiments.remedies.lwf import LwF
    from adapter_workbench.experiments.remedies.replay_rows import with_replay
    from adapter_workbench.experiments.remedies.tree_lora import TreeLoRA
    from adapter_workbench.experiments.watching.callback import ForgettingCallback

__all__ = [
    "AGEM",
    "ELLA",
    "EWC",
    "OSF",
    "DERPlusPlus",
    "ForgettingCallback",
    "InfLoRA",
    "KeepCloseTo",
    "L2ToStart",
    "LwF",
    "NLoRA",
    "OLoRA",
    "RemedyCallback",
    "SDLoRA",
    "SEQStar",
    "TreeLoRA",
    "Workbench",
]
__all__ += ["with_replay"]
_MODULES = {  # torch and transformers come with some of them, and only then
    "AGEM": "adapter_workbench.experiments.remedies.for_trainers",
    "DERPlusPlus": "adapter_workbench.experiments.remedies.der_plus_plus",
    "ELLA": "adapter_workbench.experiments.remedies.for_trainers",
    "EWC": "adapter_workbench.experiments.remedies.for_trainers",
    "ForgettingCallback": "adapter_workbench.experiments.watching.callback",
    "InfLoRA": "adapter_workbench.experiments.remedies.chosen_parts",
    "KeepCloseTo": "adapter_workbench.experiments.remedies.keep_close",
    "L2ToStart": "adapter_workbench.experiments.remedies.for_trainers",
    "LwF": "adapter_workbench.experiments.remedies.lwf",
    "NLoRA": "adapter_workbench.experiments.remedies.for_trainers",
    "OLoRA": "adapter_workbench.experiments.remedies.for_trainers",
    "OSF": "adapter_workbench.experiments.remedies.chosen_parts",
    "RemedyCallback": "adapter_workbench.experiments.remedies.callback",
    "TreeLoRA": "adapter_workbench.experiments.remedies.tree_lora",
    "SDLoRA": "adapter_workbench.experiments.remedies.chosen_parts",
    "SEQStar": "adapter_workbench.experiments.remedies.chosen_parts",
    "Workbench": "adapter_workbench.experiments.api",
    "with_replay": "adapter_workbench.experiments.remedies.replay_rows",
}


def __getattr__(name: str) -> Any:
    """Return one of them.

    Raises:
        AttributeError: there is no such name.
        ImportError: this is Windows.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if why := refusal():
        raise ImportError(why)
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """Return the names for completion."""
    return [*globals(), *__all__]
