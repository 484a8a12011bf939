"""What people write: documents, bounds, strict values, registries of files and of plugins. Imports files."""

from typing import Any

from adapter_workbench.workbench.machine.earlier_names import of_room


def __getattr__(name: str) -> Any:
    return of_room(__name__, name)
