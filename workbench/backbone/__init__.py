"""The pretrained transformer: name, config, checkpoint, tokenizer, shared weights, states. Imports settings."""

from typing import Any

from adapter_workbench.workbench.machine.earlier_names import of_room


def __getattr__(name: str) -> Any:
    return of_room(__name__, name)
