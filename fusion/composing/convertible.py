"""Which adapters have nothing beside the updates of matrices that a LoRA could take over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.adapters.adapter_folder import read_config
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

LIBRARY = "peft"
BESIDE = {  # key of peft's config → what is trained beside the matrices' updates, in words
    "modules_to_save": "modules that were trained whole (modules_to_save)",
    "trainable_token_indices": "trained token embeddings (trainable_token_indices)",
    "target_parameters": "updates of bare parameters (target_parameters)",
    "bias": "trained biases (bias)",
}


def require_updates_alone(stored: StoredAdapter) -> None:
    """Make sure that a stored adapter is one of peft, whose answers depend on updates of matrices and its head alone.

    Raises:
        InputError: it belongs to another library, or something else in it would be left out without a word.
    """
    method = stored.manifest.method
    if stored.manifest.library != LIBRARY:
        raise InputError(
            f"only adapters of peft can become LoRAs, and {method} belongs to another library", where=stored.id
        )
    config = read_config(stored.folder)
    if key := next((key for key in BESIDE if config.get(key) not in (None, [], {}, "none")), None):
        hint = "The adapter itself can still be used."
        raise InputError(f"a LoRA has no place for {BESIDE[key]}, which {method} has here", where=stored.id, hint=hint)
