"""The year of a task can be typed again; in a file of its own, so that it runs beside the month."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import transcripts

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "a-year-of-a-task.md"


@pytest.mark.acceptance
def test_the_year_can_be_lived_again(tmp_path: Path) -> None:
    with transcripts.session(tmp_path).serving() as session:
        for part in transcripts.read(PAGE.read_text(encoding="utf-8")):
            session.play(part)
