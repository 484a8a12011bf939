"""How a backbone is adapted: methods, libraries, kinds of task, heads, models. Imports adapters."""

from typing import Any

from adapter_workbench.workbench.machine.earlier_names import of_room


def __getattr__(name: str) -> Any:
    return of_room(__name__, name)
