"""What a page shows of a session can be typed again, and prints the same but for numbers and ids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests import transcripts

DOCUMENTS = Path(__file__).parents[1] / "docs" / "tutorials"
PAGES = ("week.md", "month.md")  # one after the other in one folder: the second goes on where the first ends
PAGE = """
This program, `say.py`, stands for a spreadsheet:

```python
print("made abcdef01 with 3 rows")
```

```text
$ python say.py
made 12345678 with 5,000 rows
$ echo 12345678 and more
12345678 and …
```
"""


def test_a_page_is_played(tmp_path: Path) -> None:
    session = transcripts.session(tmp_path)
    printed = [session.play(part) for part in transcripts.read(PAGE)]
    assert printed == [[], ["made abcdef01 with 3 rows"], ["abcdef01 and more"]], "a later command has the id of here"


def test_a_line_that_does_not_come_again_is_found(tmp_path: Path) -> None:
    command = transcripts.Command("echo yes, 0.5", ("no, 0.5",))
    with pytest.raises(AssertionError, match="the page has: no"):
        transcripts.session(tmp_path).play(command)


@pytest.mark.acceptance
def test_the_month_can_be_lived_again(tmp_path: Path) -> None:
    with transcripts.session(tmp_path).serving() as session:
        for name in PAGES:
            page = (DOCUMENTS / name).read_text(encoding="utf-8")
            for part in transcripts.read(page):
                session.play(part)


@pytest.mark.acceptance
def test_the_first_steps_can_be_taken_again(tmp_path: Path) -> None:
    """The labelled file is the one that the page shows."""
    with transcripts.session(tmp_path).serving() as session:
        for part in transcripts.read((DOCUMENTS / "first-steps.md").read_text(encoding="utf-8")):
            if isinstance(part, transcripts.Program):
                session.play(part)
                continue
            if part.line == "cat labelled.csv":
                (tmp_path / "labelled.csv").write_text("\n".join(part.printed) + "\n", encoding="utf-8")
            session.play(replace(part, line=f"{part.line} &") if part.line == "workbench serve" else part)
