"""Folders of texts, ``<label>/<text>``: their files and the contents."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.tasks.reading.encodings import SAMPLE, encoding_of, is_utf_8
from adapter_workbench.tasks.reading.text_files import LONGEST_LINE, opened_bytes
from adapter_workbench.workbench.errors import DataError, InputError
from adapter_workbench.workbench.files.digest import below
from adapter_workbench.workbench.files.ordinary import readable, require_utf_8

if TYPE_CHECKING:
    import pandas as pd


def holds_label_folders(path: Path) -> bool:
    """Return whether a folder holds files in folders, hidden ones left out."""
    return any(_is_text(file) for file in path.glob("*/*"))


def label_files(path: Path) -> list[Path]:
    """Return the files ``<label>/<name>`` below a folder, with any suffix; hidden files are skipped.

    Raises:
        InputError: there is a link, which may lead to any file of this machine; or a label is not UTF-8.
    """
    require_no_links(path)
    files = sorted(file for file in path.glob("*/*") if _is_text(file))
    for label in dict.fromkeys(file.parent for file in files):
        require_utf_8(label, label.name, "its name becomes a label")
    return files


def require_no_links(path: Path) -> None:
    """Raise InputError if a folder holds a link, at any depth."""
    if link := next((entry.path for entry in below(path) if entry.is_symlink()), None):
        raise link_error(link)


def link_error(link: str | Path) -> InputError:
    """Return the error for a link in a folder that may come from anybody."""
    hint = "Copy the folder with cp -rL, which copies the files behind the links, and name the copy."
    return InputError("there are links in this folder", where=str(link), hint=hint)


def frame_of(path: Path, encoding: str) -> pd.DataFrame:
    """Read ``<label>/<name>`` into ``file``, ``label`` and ``text``; invalid bytes become U+FFFD.

    A file that is UTF-8 is read so; ``encoding`` is that of the others (see :func:`is_of_others`).

    Raises:
        InputError: as :func:`label_files`, or there are no texts.
        DataError: a file is no text.
    """
    import pandas as pd

    files = label_files(path)
    if not files:
        hint = "Expected <label>/<text>."
        raise InputError("there are no folders named after labels with texts in them", where=str(path), hint=hint)
    return pd.DataFrame(
        {
            "file": [readable(file.relative_to(path).as_posix()) for file in files],
            "label": [file.parent.name for file in files],
            "text": [_content(file, encoding) for file in files],
        }
    )


def encoding_of_texts(path: Path) -> str | None:
    """Return the encoding of the texts that are not UTF-8, judged by all of them; None where all are UTF-8."""
    others: list[bytes] = []
    for file in label_files(path):
        with opened_bytes(file) as stream:
            content = stream.read(LONGEST_LINE)
        if not is_utf_8(content):
            others.append(content[:SAMPLE])
    return encoding_of(b"\n".join(others), is_complete=False) if others else None


def is_of_others(encoding: str) -> bool:
    """Return whether an encoding is that of the files which are not UTF-8; UTF-16 and UTF-32 are those of all files."""
    return not codecs.lookup(encoding).name.startswith("utf")


def _is_text(file: Path) -> bool:
    return not file.name.startswith(".") and not file.parent.name.startswith(".") and file.is_file()


def _content(file: Path, encoding: str) -> str:
    with opened_bytes(file) as stream:
        content = stream.read(LONGEST_LINE + 1)
    if is_of_others(encoding) and not content.isascii() and is_utf_8(content):
        encoding = "utf-8"
    text = content.decode(encoding, errors="replace").removeprefix("\ufeff")
    if len(content) > LONGEST_LINE or "\0" in text:
        raise DataError(
            "this file is not text", where=str(file), hint="Remove it from the folder, or set its encoding."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")
