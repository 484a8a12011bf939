"""Several processes that share one training, as ``accelerate launch`` or ``torchrun`` start them.

All of them do the same work in step, since a fit synchronises them; what they write is the same, and whoever comes
second finds it there. Only the first process locks, prints and logs.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from torch import Tensor

STOPPED = {128 + signal.SIGTERM, 128 + signal.SIGHUP}  # exit codes of a process that was told to end


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise SystemExit in the block on SIGTERM or SIGHUP, so that it is cleaned up; a second signal ends the process.

    The exit code is 128 + the number of the signal. One that is ignored (``nohup``) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    replaced = [number for number, handler in before.items() if handler == signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, before[number])


def _stop(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    raise SystemExit(128 + number)


def count() -> int:
    """Return how many processes share the training; each takes a batch of its own, so it matters to the numbers."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Return whether this is the first process, or the only one."""
    return rank() == 0


def rank() -> int:
    """Return the number of this process among all that share the training, from 0."""
    return int(os.environ.get("RANK", "0"))


def shards() -> bool:
    """Return whether the processes share the weights as well as the batches (``accelerate launch --use_fsdp``)."""
    return "RANK" in os.environ and os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def sharing() -> int | str:
    """Return how the processes share a training, as far as it matters to the numbers: what a key holds of it."""
    return f"{count()}, sharded" if shards() else count()


def agree(choice: bool) -> bool:
    """Return what the first process chose; all of them have to ask, in step."""
    if not _are_together():
        return choice
    import torch.distributed

    choices = [choice]
    torch.distributed.broadcast_object_list(choices, src=0)
    return choices[0]


def wait_for_all() -> None:
    """Return once all processes have come here."""
    if _are_together():
        import torch.distributed

        torch.distributed.barrier()


@contextmanager
def first_ahead() -> Iterator[None]:
    """Let the first process of this machine do the block before the others do it: they find what it wrote."""
    if local_rank() > 0:
        wait_for_all()
    try:
        yield
    finally:
        if local_rank() == 0:
            wait_for_all()


def _are_together() -> bool:
    if count() == 1:
        return False
    import torch.distributed

    return torch.distributed.is_available() and torch.distributed.is_initialized()


def average(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over the processes, in place; all of them have to call it, in step."""
    if not _are_together():
        return
    import torch.distributed

    for tensor in tensors:
        torch.distributed.all_reduce(tensor)
        tensor /= count()


def local_rank() -> int:
    """Return which of the processes on this machine this one is, from 0; each computes on a device of its own."""
    return int(os.environ.get("LOCAL_RANK", "0"))
