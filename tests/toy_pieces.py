"""Pieces that train nothing: each notes in the workspace that it was done, after it did what its name asks for."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.piece import Effort
from adapter_workbench.workbench.errors import TrainingError
from adapter_workbench.workbench.files import atomic
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.engine.piece import Site
    from adapter_workbench.experiments.workspace import Workspace


FILLING = 20_000_000  # bytes


def nothing(threads: int) -> None:
    """What a process needs before its first toy."""


@dataclass(frozen=True)
class Toy:
    """What every toy says of itself."""

    label: str
    needs: tuple[str, ...] = ()
    updates: int = 1
    alone: bool = False

    @property
    def key(self) -> str:
        return f"key-of-{self.label}"

    @property
    def coordinates(self) -> Mapping[str, Any]:
        return {"part": "toy", "label": self.label}

    @property
    def effort(self) -> Effort:
        return Effort("toy", self.updates)


@dataclass(frozen=True)
class ToyPiece(Toy):
    """A piece whose label begins with what it does: fail, die (once), always-die, leave, stay, fill, or nothing."""

    def file(self, workspace: Workspace) -> Path:
        """Return what it leaves: the process that did it."""
        return workspace.root / "toys" / self.label

    def is_done(self, workspace: Workspace) -> bool:
        return self.file(workspace).is_file()

    def work(self, site: Site) -> None:
        action, root = self.label.split()[0], site.workspace.root
        with (root / "log").open("a") as log:
            log.write(f"{self.label}\n")
        with site.listener.fit(self.label, self.updates) as advance:
            advance(1, 1.0, 0.5)
            if action == "fail":
                raise TrainingError("the loss is not a number", where="step 7", hint="Take a lower rate.")
            dead = root / "died"  # of the piece that dies once: whichever of both comes first, it has to
            if action == "always-die" or (action == "die" and not dead.exists()):
                if action == "die":
                    dead.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if action == "leave":  # as does the machine, unless it is the first
                time.sleep(3)  # else one machine takes both
                if os.getppid() != int((root / "head").read_text()):
                    os.kill(os.getppid(), signal.SIGKILL)
                    time.sleep(60)
            if action == "fill":
                time.sleep(3)  # else one machine takes all
                (root / "filling").write_bytes(bytes(FILLING))
                (root / "filling").unlink()
            if action == "stay":
                with atomic.written_whole(root / "steps" / "key") as folder:
                    (folder / "half").write_text("half")
                    site.listener.say(f"here {os.getpid()} {Path.cwd()}")
                    time.sleep(10 * PATIENCE)  # a test that waits for its end gives up before
        atomic.write_whole(self.file(site.workspace), f"{os.getpid()} {site.in_memory.get('last', '-')}")
        site.in_memory["last"] = self.key


def log(workspace: Workspace) -> list[str]:
    """Return the labels of the pieces that were begun, in the order in which that was."""
    return (workspace.root / "log").read_text().splitlines()


@dataclass(frozen=True)
class Link(Toy):
    """A piece of a chain: what it leaves is a digest of its name and of what the one before it left.

    The file ``begun`` of the workspace says who began what, and ``finished`` who came to the end of it.
    """

    seconds: float = 0.0

    def is_done(self, workspace: Workspace) -> bool:
        return (workspace.root / "pieces" / self.key).is_file()

    def work(self, site: Site) -> None:
        pieces = site.workspace.root / "pieces"
        self._note(site.workspace, "begun")
        before = "".join((pieces / need).read_text() for need in self.needs)
        time.sleep(self.seconds)
        atomic.write_whole(pieces / self.key, hashlib.sha256(f"{self.label} {before}".encode()).hexdigest())
        self._note(site.workspace, "finished")

    def _note(self, workspace: Workspace, name: str) -> None:
        with (workspace.root / name).open("a") as file:
            file.write(f"{self.label} {os.getpid()}\n")


def chains(number: int, length: int, seconds: float) -> list[Link]:
    """Return so many chains of links, each of which takes so many seconds."""
    links: list[Link] = []
    for chain in range(number):
        for position in range(length):
            links.append(Link(f"{chain}-{position}", (links[-1].key,) if position else (), seconds=seconds))
    return links
