"""The session of adapters from elsewhere can be typed again; in a file of its own, so that it runs beside the month."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import transcripts

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "adapters-from-elsewhere.md"


@pytest.mark.acceptance
def test_what_others_trained_comes_in_again(tmp_path: Path) -> None:
    with transcripts.session(tmp_path).serving() as session:
        for part in transcripts.read(PAGE.read_text(encoding="utf-8")):
            session.play(part)
