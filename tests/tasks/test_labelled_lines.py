from __future__ import annotations

from pathlib import Path

import pytest

from adapter_workbench.tasks.reading import formats
from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.workbench.errors import DataError, InputError
from tests.messages import naming


def test_a_line_is_its_label_and_its_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.label"
    path.write_bytes("NUM:date When was  it ?\r\n\n__label__spam Win a __label__\n\tx caf\xe9\n".encode("latin-1"))
    expected = [("NUM:date", "When was  it ?"), ("spam", "Win a __label__"), ("x", "caf\xe9")]
    frame = formats.read(path, "labelled-lines", DialectSettings(encoding="latin-1"))
    assert [tuple(row) for row in frame[["label", "text"]].to_numpy()] == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a one\nb\n", "line 2: .*without a text"),
        ("__label__a __label__b one\n", "line 1: .*several labels"),
        ("\n \n", "the file is empty"),
        (b"a caf\xe9\n", "not text in utf-8"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=message):
        formats.read(path, "labelled-lines")


def test_there_is_no_delimiter_to_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("a one\n")
    with pytest.raises(InputError, match=naming("delimiter", "labelled-lines")):
        formats.read(path, "labelled-lines", DialectSettings(delimiter=";"))
