"""A listener that keeps what it hears."""

from __future__ import annotations

from typing import Any

from workbench.listener import Silent


class Ear(Silent):
    """Keeps what was said, and the labels of all fits that began."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.fits: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def fit(self, label: str, steps: int) -> Any:
        self.fits.append(label)
        return super().fit(label, steps)
