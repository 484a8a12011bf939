"""The log of a trainer that a callback is in: every tracker that the trainer reports to reads it.

A trainer passes neither itself nor its other callbacks to a callback. What calls one holds both: the handler of all
callbacks, which is the caller of each of their methods.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOPS = 12  # from a method of a callback to the trainer: classes that wrap callbacks may stand between them


def handler() -> Any:
    """Return the handler that is calling, from within a method of a callback; None where no handler is."""
    from transformers.trainer_callback import CallbackHandler

    return next((caller for caller in _callers() if isinstance(caller, CallbackHandler)), None)


def trainer_name() -> str:
    """Return the class of the trainer that is calling; ``Trainer`` where none is."""
    from transformers import Trainer

    return next((type(caller).__name__ for caller in _callers() if isinstance(caller, Trainer)), Trainer.__name__)


def _callers() -> Iterator[object]:
    """Yield the objects whose methods are being run, the innermost first."""
    frame = inspect.currentframe()
    for _ in range(HOPS):
        frame = frame.f_back if frame else None
        if frame and "self" in frame.f_code.co_varnames:
            yield frame.f_locals.get("self")


def log(calling: Any, numbers: Mapping[str, float], args: Any, state: Any, control: Any) -> None:
    """Log ``numbers`` as the trainer logs its own: in its history, and by every callback that listens.

    The trainer's own ``log`` is not called: TRL's adds the means of its training metrics there, and begins them anew.

    Args:
        calling: the handler; where it is None the history alone has them.
        numbers: by name; names that begin with ``eval_`` are shown beside the evaluations.
        args: of the trainer, as a callback is given them.
        state: of the trainer.
        control: of the trainer, left as it is.
    """
    logs = {**numbers, **({} if state.epoch is None else {"epoch": state.epoch})}
    state.log_history.append({**logs, "step": state.global_step})
    if calling is not None:
        wants = control.should_log
        calling.on_log(args, state, control, logs)
        control.should_log = wants
