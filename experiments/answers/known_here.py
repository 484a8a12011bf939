"""What a workspace knows while things come in: its adapters, tasks and base models, each opened once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from tasks.loading import registry
from workbench.adapters.name_resolution import readable
from workbench.backbone.names import BACKBONES, BackboneCard, open_backbone
from workbench.settings.base import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tasks.task_file.spec import TaskSpec
    from workbench.adapters.manifest import Manifest
    from workbench.adapters.store import AdapterStore
    from workbench.backbone.pretrained import Backbone
    from workbench.machine.listener import Listener
    from workbench.methods.task import Task


@dataclass(frozen=True)
class KnownHere:
    """A workspace's adapters, and the tasks that are seen from here.

    Attributes:
        adapters: where they are stored.
        task_folders: of the person's own tasks.
        listener: hears of what takes long.
    """

    adapters: AdapterStore
    task_folders: Sequence[Path]
    listener: Listener
    _tasks: dict[str, Task] = field(default_factory=dict)
    _backbones: dict[str, Backbone] = field(default_factory=dict)

    @cached_property
    def manifests(self) -> list[Manifest]:
        """Of all adapters that can be read; whoever stores another one adds its own."""
        return [*readable(self.adapters)]

    @cached_property
    def find(self) -> Callable[[str], TaskSpec]:
        """Gives a task by its name; raises as :func:`tasks.loading.registry.finder`."""
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

    def task(self, name: str) -> Task:
        """Return a task with its data; raises as :func:`tasks.loading.registry.find`, or DataError."""
        if name not in self._tasks:
            self._tasks[name] = registry.load(self.find(name))
        return self._tasks[name]

    def backbone(self, name: str, where: str | None = None) -> Backbone:
        """Return a base model; raises as :func:`workbench.backbone.names.open_backbone`."""
        if name not in self._backbones:
            self._backbones[name] = open_backbone(name, where)
        return self._backbones[name]
