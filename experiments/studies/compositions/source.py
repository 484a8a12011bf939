"""An adapter that is composed: one that is stored, or the one that a lesson will give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.stored_model import adaptation_of

if TYPE_CHECKING:
    from experiments.workspace import Workspace
    from workbench.backbone import Backbone
    from workbench.settings import MethodSettings
    from workbench.stored_adapter import StoredAdapter
    from workbench.training import Lesson


@dataclass(frozen=True)
class Source:
    """What is known of a source before it is trained.

    Attributes:
        task: name of its own task.
        method: the fine-tuning method.
        settings: that method's.
        identity: SHA-256 of what determines it.
        adapter: its id in the store.
    """

    task: str
    method: str
    settings: MethodSettings
    identity: str
    adapter: str

    def stored_in(self, workspace: Workspace) -> StoredAdapter:
        """Return the adapter; raises UnknownNameError where it was not trained yet."""
        return workspace.adapters.get(self.adapter)


def planned(lesson: Lesson) -> Source:
    """Return the source that a lesson will give."""
    adaptation = lesson.adaptation
    return Source(lesson.task.name, adaptation.method, adaptation.settings, lesson.key, lesson.adapter_id)


def stored(adapter: StoredAdapter, backbone: Backbone) -> Source:
    """Return a stored adapter as a source."""
    manifest = adapter.manifest
    settings = adaptation_of(manifest, backbone).settings
    return Source(manifest.task.name, manifest.method, settings, adapter.identity, manifest.id)
