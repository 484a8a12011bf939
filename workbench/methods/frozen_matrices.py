"""Which methods leave the matrices of a backbone in the type in which they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.library import CallsLayers

if TYPE_CHECKING:
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.method import Method


def can_stay_narrow(card: Method, precision: Precision) -> bool:
    """Return whether matrices that are stored in bfloat16 can stay so under a method.

    In bf16 autocast rounds whatever a matrix is multiplied with. In fp32 each layer widens its own matrix, so that the
    method has to call the layer.

    Args:
        card: of the method.
        precision: of the arithmetic.
    """
    if card.trains_backbone or card.reads_weights:
        return False
    library = LIBRARIES.get(card.library)
    calls = isinstance(library, CallsLayers) and library.calls_layers and not card.adds_to_weights
    return calls or precision == "bf16"
