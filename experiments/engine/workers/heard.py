"""What a process says of its piece in a fraction of a second, as it travels to the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.engine.workers.failure import Failure
from experiments.engine.workers.relay import Message


@dataclass(frozen=True)
class Heard:
    """One parcel; the last parcel of a piece says whether it failed, so that the next piece can begin at once.

    Attributes:
        messages: as a :class:`~experiments.engine.workers.relay.Relay` keeps them.
        over: whether it is the last of its piece.
        failure: why the piece failed, in the last parcel, if it did.
    """

    messages: Sequence[Message]
    over: bool = False
    failure: Failure | None = None
