"""How a workspace reads: what lies on another machine is fetched first, and damage is met as its policy says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

from adapter_workbench.experiments.workspace.damage import DamagePolicy

T = TypeVar("T")
Fetch: TypeAlias = Callable[[Path], None]


def nothing_to_fetch(path: Path) -> None:
    """Fetch nothing: all that there is of ``path`` is on this machine."""


@dataclass(frozen=True)
class Access:
    """How the files and folders of a workspace are read."""

    damage: DamagePolicy = field(default_factory=DamagePolicy)  # what happens when something is damaged
    # is called with the path of what is about to be read; on a machine that does not see the workspace of the
    # run, it copies that from there
    fetch: Fetch = nothing_to_fetch

    @property
    def mends(self) -> bool:
        """Whether damaged things are deleted so that the run makes them again, instead of raising an error."""
        return self.damage.listener is not None

    def read(self, path: Path, load: Callable[[], T | None]) -> T | None:
        """Fetch ``path``, and return what ``load`` returns; see :meth:`.DamagePolicy.read`."""
        self.fetch(path)
        return self.damage.read(path, load)
