"""A process of Ray's on a machine that does not see the workspace: a :class:`.Hand` with a workspace of its own."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.engine.workers.away.backbones import brought
from experiments.engine.workers.away.courier import Courier
from experiments.engine.workers.away.remote import RemoteDesk
from experiments.engine.workers.failure import Failure
from experiments.engine.workers.hand import Hand
from experiments.engine.workers.heard import Heard
from experiments.engine.workers.own_folder import own_folder, sweep
from experiments.workspace import Workspace
from experiments.workspace.access import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from experiments.engine.workers.away.packed import PackedPieces

PREFIX = "workbench-away-"  # of folders for temporary files
PAUSE = 0.5  # seconds between two questions whether a piece is free


class AwayHand:
    """An actor: Ray calls its methods, one at a time."""

    def __init__(
        self, packed: PackedPieces, desk: Any, name: str, folder: Path, ready: Callable[[], None], pause: float
    ) -> None:
        """Get ready to do any of the pieces.

        Args:
            packed: all that there may be to do.
            desk: the actor that answers for the workspace of the run.
            name: of this process, which begins with the run's; its folder begins with it.
            folder: where the run was started.
            ready: is called before the first piece.
            pause: seconds between two parcels of what is said.
        """
        temporary = Path(tempfile.gettempdir())
        sweep(temporary, PREFIX)
        self._living = ExitStack()  # the folder of a killed process is deleted by the next sweep
        root = self._living.enter_context(own_folder(temporary, f"{PREFIX}{name}-")) / "workspace"
        self._name, self._desk = name, RemoteDesk(desk)
        self._courier = Courier(self._desk, root, name)
        backbones = [brought(backbone, number, self._desk) for number, backbone in enumerate(packed.backbones)]
        workspace = Workspace(root, Access(fetch=self._courier.fetch))
        self._hand = Hand(packed.unpacked(backbones), workspace, folder, ready, pause)

    def work(self, key: str) -> Iterator[Heard]:
        """Do the piece with this key as :meth:`.Hand.work`; it is claimed, and what it left sent, where the run is."""
        while not self._desk.claim(key, self._name):
            time.sleep(PAUSE)
        try:
            self._courier.begin()
            for heard in self._hand.work(key):
                if not heard.over:
                    yield heard
            over = replace(heard, failure=heard.failure or self._sent())
        finally:
            self._desk.release(key, self._name)
        yield over  # whoever hears it may end this process, and have the piece done by another one

    def _sent(self) -> Failure | None:
        """Send what a piece has left; return why that failed, if it did; a full disk is not the one here then."""
        try:
            self._courier.send()
        except Exception as error:
            return replace(Failure.of(error), full=False)
        return None
