"""Durations of earlier pieces in this workspace, for estimates."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.workbench.files.ordinary import append_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Speed:
    """How fast optimiser steps were made."""

    updates: int  # how many
    seconds: float  # that they took

    def takes(self, updates: int) -> float | None:
        """Return the seconds of so many steps at this speed; None where no step was made."""
        return self.seconds / self.updates * updates if self.updates else None


class Pace:
    """One line of JSON for each piece that made all of its fits: pace, optimiser steps, seconds."""

    def __init__(self, file: Path) -> None:
        """Keep the lines in ``file``."""
        self.file = file

    def note(self, pace: str, updates: int | None, seconds: float) -> None:
        """Add how long a piece took; nothing happens where the file cannot be written."""
        line = json.dumps({"pace": pace, "updates": updates or 0, "seconds": round(seconds, 3)})
        self.add(f"{line}\n")

    def add(self, lines: str) -> None:
        """Add lines, which may come from another machine."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            append_text(self.file, lines)
        except OSError:
            return

    def take(self) -> str:
        """Return the lines that are there, and delete them."""
        lines = self.file.read_text(encoding="utf-8") if self.file.is_file() else ""
        self.file.unlink(missing_ok=True)
        return lines

    def estimator(self) -> Callable[[str, int | None], float | None]:
        """Return a function from pace and optimiser steps of a piece to its seconds; None where nothing is known."""
        work: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for line in self.file.read_text(encoding="utf-8", errors="replace").splitlines() if self.file.is_file() else ():
            try:
                entry = json.loads(line)
                work[str(entry["pace"])].append((int(entry["updates"]), float(entry["seconds"])))
            except (ValueError, TypeError, KeyError):
                continue  # a process was killed while it wrote

        speeds = {
            pace: Speed(sum(steps for steps, _ in done), math.fsum(duration for _, duration in done))
            for pace, done in work.items()
        }

        def seconds(pace: str, updates: int | None) -> float | None:
            if (speed := speeds.get(pace)) is None:
                return None
            return (speed.takes(updates) if updates else None) or speed.seconds / len(work[pace])

        return seconds
