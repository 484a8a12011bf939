"""What repairs are built of: the end of a stream, attempts, and the way between two sets of weights."""

from adapter_workbench.experiments.repairs import Attempt, EndOfStream, Repair, Shared, Stored
from adapter_workbench.experiments.repairs._path import between, without_body, without_lora, without_path

__all__ = ["Attempt", "EndOfStream", "Repair", "Shared", "Stored", "between", "without_body", "without_lora"]
__all__ += ["without_path"]
