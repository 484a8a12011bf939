"""What is said of a piece in another process reaches the listener of the run, replay and failures too."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from adapter_workbench.experiments.engine.workers.failure import Failure
from adapter_workbench.experiments.engine.workers.progress_messages import (
    Message,
    ProgressBuffer,
    ProgressReplay,
    pause_of,
)
from adapter_workbench.workbench import errors
from adapter_workbench.workbench.errors import (
    Problem,
    SettingsError,
    TrainingError,
    UnknownNameError,
    WorkbenchError,
    WorkError,
)
from adapter_workbench.workbench.machine.listener import Silent


class InOrder(Silent):
    """Keeps everything that it hears in one list."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, message: str) -> None:
        self.heard.append(message)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        self.heard.append(f"{label} of {steps}")
        try:
            yield lambda step, epoch, loss: self.heard.append(f"{label} {step} {epoch} {loss}")
        except InterruptedError:
            self.heard.append(f"{label} broke off")
            raise
        self.heard.append(f"{label} ended")


def work(buffer: ProgressBuffer) -> None:
    """Say something, fit, and fit in vain."""
    buffer.say("hello")
    with buffer.fit("fit", 1000) as advance:
        for step in range(1, 1001):
            advance(step, 1.0, 0.5)
    with suppress(ValueError), buffer.fit("vain", 2):
        raise ValueError
    buffer.say("so it is")


@pytest.mark.parametrize("pause", [0.0, 1e-5, 60.0])
def test_everything_arrives_in_order_and_many_steps_as_a_few(pause: float) -> None:
    batches, ear = list[list[Message]](), InOrder()
    buffer = ProgressBuffer(pause, lambda: batches.append(buffer.take()))
    work(buffer)
    assert not buffer.take(), "all but steps is handed over at once"
    replay = ProgressReplay(ear)
    for messages in batches:
        replay.replay(pickle.loads(pickle.dumps(messages)))
    steps = [line for line in ear.heard if line.startswith("fit ") and line.endswith("0.5")]
    assert (steps[0], steps[-1]) == ("fit 1 1.0 0.5", "fit 1000 1.0 0.5"), "the first tells where the fit begins"
    assert len(steps) <= 2 * len(batches), "two for each batch at most"
    rest = [line for line in ear.heard if line not in steps]
    assert rest == ["hello", "fit of 1000", "fit ended", "vain of 2", "vain broke off", "so it is"]
    assert (len(batches) == 6) == (pause == 60.0), "steps wait"


def test_what_nobody_takes_is_kept() -> None:
    buffer = ProgressBuffer(0.0, lambda: None)
    work(buffer)
    kinds = [kind for kind, *_ in buffer.take()]
    assert kinds == ["say", "begin", "step", "step", "end", "begin", "break", "say"]


def test_many_processes_tell_of_no_more_steps_in_a_second_than_250() -> None:
    assert [pause_of(processes) for processes in (1, 250, 1000)] == [0.5, 0.5, 2.0]


def test_fits_of_a_process_that_is_gone_break_off() -> None:
    ear = InOrder()
    replay = ProgressReplay(ear)
    replay.replay([("begin", "outer", 3), ("begin", "inner", 2)])
    replay.end()
    replay.end()
    assert ear.heard == ["outer of 3", "inner of 2", "inner broke off", "outer broke off"]


OURS = {
    "plain": TrainingError("no number", where="step 7", hint="Less."),
    "with a constructor of its own": UnknownNameError("method", "lorra", ["lora"]),
    "several in one": SettingsError([Problem("one", "a"), Problem("two", "b")]),
}


@pytest.mark.parametrize("name", OURS)
def test_errors_of_ours_travel_with_all_they_say_and_get_the_label(name: str) -> None:
    error = OURS[name]
    failure = pickle.loads(pickle.dumps(Failure.of(error)))
    assert (failure.error.what, failure.error.where, failure.error.hint) == (error.what, error.where, error.hint)
    again = failure.of_piece("lora · seed 0")
    assert again.exit_code == error.exit_code
    assert again.what == f"lora · seed 0: {error.what}"


def test_every_class_of_ours_travels() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WorkbenchError)]
    for kind in kinds:
        if kind.__init__ is WorkbenchError.__init__:
            again = pickle.loads(pickle.dumps(Failure.of(kind("what", where="where", hint="hint")))).error
            assert (type(again), str(again)) == (kind, str(kind("what", where="where", hint="hint")))


class AwkwardError(Exception):
    """Its pickle cannot be read."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def test_errors_of_others_travel_if_they_can_and_else_as_what_they_say() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/disk")
    again = pickle.loads(pickle.dumps(Failure.of(full))).of_piece("lora · seed 0")
    assert (type(again), again.errno, again.filename) == (OSError, errno.ENOSPC, "/disk")
    assert "lora · seed 0" in again.__notes__[0]
    awkward = pickle.loads(pickle.dumps(Failure.of(AwkwardError("this", "that")))).error
    assert (type(awkward), awkward.what) == (WorkError, "this and that")
