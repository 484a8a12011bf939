"""Which of the adapters that a stored one was made of were trained by another program: their data are unknown."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import IntegrityError, UnknownNameError

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.store import AdapterStore


def foreign_sources(manifest: Manifest, store: AdapterStore) -> dict[str, str]:
    """Return the id of each source that was trained elsewhere → the program that wrote it.

    Sources of sources count. One that is no longer in the store, or cannot be read, is left out with its own sources.
    """
    foreign: dict[str, str] = {}
    ids, visited = [*manifest.parents], {manifest.id}
    while ids:
        adapter_id = ids.pop(0)
        if adapter_id in visited:
            continue
        visited.add(adapter_id)
        with suppress(IntegrityError, UnknownNameError):
            source = store.get(adapter_id).manifest
            if source.elsewhere:
                foreign[adapter_id] = source.elsewhere.program
            ids += source.parents
    return foreign
