"""What a command has read so far."""

from __future__ import annotations

from adapter_workbench.workbench.files.read_once import ReadOnce


class Known:
    """What all views of one workspace within a command share.

    Attributes:
        sound: keys of what was compared with its digests.
        documents: what was read of files.
        manifests: of adapters, by their folders.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self.sound: set[str] = set()
        self.documents = ReadOnce()
        self.manifests = ReadOnce()
