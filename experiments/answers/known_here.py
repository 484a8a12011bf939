"""What a workspace knows while things come in: its adapters, tasks and base models, each opened once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.adapters.name_resolution import readable
from adapter_workbench.workbench.backbone.names import (
    BACKBONES,
    BackboneCard,
    backbone_available,
    open_backbone,
    registered_here,
)
from adapter_workbench.workbench.errors import WorkbenchError
from adapter_workbench.workbench.settings.base import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task


@dataclass(frozen=True)
class KnownHere:
    """A workspace's adapters, and the tasks that are seen from here."""

    adapters: AdapterStore  # where they are stored
    task_folders: Sequence[Path]  # of the person's own tasks
    listener: Listener  # hears of what takes long
    _tasks: dict[str, Task] = field(default_factory=dict)
    _backbones: dict[str, Backbone] = field(default_factory=dict)

    @cached_property
    def manifests(self) -> list[Manifest]:
        """Of all adapters that can be read; whoever stores another one adds its own."""
        return [*readable(self.adapters)]

    @cached_property
    def find(self) -> Callable[[str], TaskSpec]:
        """Gives a task by its name; raises as :func:`adapter_workbench.tasks.loading.registry.finder`."""
        return registry.finder(self.task_folders)

    @cached_property
    def _registered(self) -> dict[str, str]:
        return {read(BACKBONES.path(name)).parse(BackboneCard).hub_id: name for name in BACKBONES.names()}

    def named_on_hub(self, hub_id: str | None) -> str | None:
        """Return the name here of the base model with a hub id: a registered one, or one that has adapters.

        It is the name without ``:nf4`` or ``:int8``: the hub id says nothing of how many bits somebody else trained on.
        """
        references = [manifest.backbone for manifest in self.manifests if not manifest.is_whole]
        used = {reference.hub_id: reference.name.removesuffix(f":{reference.quantization}") for reference in references}
        return (used | self._registered).get(hub_id) if hub_id else None

    @cached_property
    def _by_fingerprint(self) -> dict[str, str]:
        """Fingerprint → name of the base models whose weights are known here: of adapters, and registered ones."""
        references = [manifest.backbone for manifest in self.manifests if not manifest.is_whole]
        used = {reference.fingerprint: reference.name for reference in references if not reference.quantization}
        return used | {self.backbone(name).fingerprint: name for name in registered_here()}

    def named_by_content(self, folder: str | None) -> str | None:
        """Return the name here of the base model that lies in the folder that a sender names, told by its weights.

        The folder is read as data: the fingerprint of its tensors is computed. What is opened afterwards is the base
        model that has the same, never this folder.

        Args:
            folder: what a sender calls the base model; None and hub ids are not looked at.
        """
        try:
            if not folder or not Path(folder).expanduser().is_dir():
                return None
            fingerprint = self.backbone(str(Path(folder).expanduser().resolve())).fingerprint
            name = self._by_fingerprint.get(fingerprint)
            return name if name and backbone_available(name).state == "here" else None
        except (WorkbenchError, OSError, ValueError, RuntimeError):  # no such path, no home, or not a model
            return None

    def task(self, name: str) -> Task:
        """Return a task with its data; raises as :func:`find`, or DataError."""
        if name not in self._tasks:
            self._tasks[name] = registry.load(self.find(name))
        return self._tasks[name]

    def backbone(self, name: str, where: str | None = None) -> Backbone:
        """Return a base model; raises as :func:`adapter_workbench.workbench.backbone.names.open_backbone`."""
        if name not in self._backbones:
            self._backbones[name] = open_backbone(name, where)
        return self._backbones[name]
