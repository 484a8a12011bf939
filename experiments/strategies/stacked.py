"""stacked: each task adds a LoRA of its own to the frozen ones before it, without a remedy against forgetting.

ΔW = Σᵢ sᵢ Bᵢ Aᵢ over all tasks so far; only the last pair is trained. No paper: it is the control of those that stack
and do something besides. `o-lora`, `ella` and `n-lora` add a penalty, `inflora` chooses where Aₜ reads, `sd-lora`
learns the size of each update: what they gain over one LoRA that is trained on may be the stacking. `o-lora` of
strength 0 is it.
"""

from __future__ import annotations

from adapter_workbench.experiments.strategies._branches import Branches


class Stacked(Branches):
    """Its state is that of sequential; the rank of ``body`` grows with each task."""


STRATEGY = Stacked()
