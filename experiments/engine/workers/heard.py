"""What a process says of its piece in a fraction of a second, as it travels to the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.engine.workers.failure import Failure
from experiments.engine.workers.relay import OVER, Message


@dataclass(frozen=True)
class Heard:
    """One parcel; the last parcel of a piece says whether it failed, so that the next piece can begin at once.

    Attributes:
        messages: as a :class:`~experiments.engine.workers.relay.Relay` keeps them.
        failure: why the piece failed, in the last parcel, if it did.
    """

    messages: Sequence[Message]
    failure: Failure | None = None

    @property
    def over(self) -> bool:
        """Whether it is the last of its piece."""
        return self.messages[-1] == OVER
