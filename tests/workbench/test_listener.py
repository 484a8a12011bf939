"""Listeners of work that is done again and again."""

from __future__ import annotations

from adapter_workbench.workbench.machine.listener import Changed, Silent


class Heard(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def test_what_was_said_the_time_before_is_not_said_again() -> None:
    heard = Heard()
    changed = Changed(heard)
    for lines in (["a", "b"], ["a", "b"], ["a", "c"], ["a", "b"]):
        changed.again()
        for line in lines:
            changed.say(line)
    assert heard.lines == ["a", "b", "c", "b"]
