"""How a process is told to end."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from adapter_workbench.workbench.machine.processes import STOPPED, stoppable


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])  # 128 + 15, 128 + 1
def test_a_signal_ends_the_block_in_order_with_its_code(number: int, code: int) -> None:
    before, handlers = signal.getsignal(number), []
    with pytest.raises(SystemExit) as caught, stoppable():
        try:
            os.kill(os.getpid(), number)
        finally:
            handlers.append(signal.getsignal(number))
    assert caught.value.code == code
    assert code in STOPPED
    assert handlers == [signal.SIG_DFL], "a second one ends the process at once"
    assert signal.getsignal(number) == before


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_leaves_the_signals_alone() -> None:
    handlers = []

    def work() -> None:
        with stoppable():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
