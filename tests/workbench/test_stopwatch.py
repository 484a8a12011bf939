"""Wall time and counters of work in several pieces."""

from __future__ import annotations

from itertools import count

import pytest

from adapter_workbench.workbench.machine import stopwatch
from adapter_workbench.workbench.machine.stopwatch import Stopwatch, sum_counts


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that rises by 3 whenever it is read, and one of which nobody tells."""
    readings = count(100, 3)
    monkeypatch.setattr(stopwatch, "COUNTERS", {"energy": lambda: float(next(readings)), "silent": lambda: None})


def test_counters_rise_while_it_runs_and_at_no_other_time(counted: None) -> None:
    clock = Stopwatch()
    assert clock.spent == {"energy": 0.0}
    for _ in range(2):
        with clock:
            pass
    assert clock.spent == {"energy": 6.0}
    assert clock.seconds > 0
    with clock:
        assert clock.so_far()[1] == {"energy": 9.0}


def test_earlier_work_counts_as_far_as_it_was_counted(counted: None) -> None:
    clock = Stopwatch()
    clock.add(2.0, {"energy": 5.0, "of another machine": 1.0})
    assert (clock.seconds, clock.spent) == (2.0, {"energy": 5.0})
    clock.add(1.0, {})
    assert (clock.seconds, clock.spent) == (3.0, {}), "what is not known in part is not known"
    assert sum_counts({"a": 1.0, "b": 1.0}, {"a": 2.0}, {"a": 3.0}) == {"a": 6.0}
