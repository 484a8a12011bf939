"""What a page shows of a session can be typed again, and prints the same but for numbers and ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import transcripts
from tests.conftest import environment

ROOT = Path(__file__).parents[1]
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
    session = transcripts.Session(tmp_path, environment())
    printed = [session.play(part) for part in transcripts.read(PAGE)]
    assert printed == [[], ["made abcdef01 with 3 rows"], ["abcdef01 and more"]], "a later command has the id of here"


def test_a_line_that_does_not_come_again_is_found(tmp_path: Path) -> None:
    command = transcripts.Command("echo yes, 0.5", ("no, 0.5",))
    with pytest.raises(AssertionError, match="the page has: no"):
        transcripts.Session(tmp_path, environment()).play(command)


@pytest.mark.acceptance
def test_the_month_can_be_lived_again(tmp_path: Path) -> None:
    variables = {name: value for name, value in environment().items() if not name.startswith("WORKBENCH_")}
    with transcripts.Session(tmp_path, {**variables, "COLUMNS": "100"}).serving() as session:
        for name in PAGES:
            page = (ROOT / "docs" / name).read_text(encoding="utf-8")
            for part in transcripts.read(page):
                session.play(part)
