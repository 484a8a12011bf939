"""What a folder laid out like a data set of the hub says of its own files: they have to be in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.reading.label_folders import link_error
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.files.ordinary import foreign_links
from adapter_workbench.workbench.settings.yaml_text import MOST_VALUES

if TYPE_CHECKING:
    from pathlib import Path

CARD, SETTINGS = "README.md", ".huggingface.yaml"  # `datasets` reads the second after the first
NAMES_FILES = ("data_files", "data_dir")


def require_data_inside(folder: Path) -> None:
    """Refuse a folder whose rows `datasets` would read from somewhere else: its digest says nothing of them.

    Raises:
        InputError: there are links in it that lead out of it, or its card or settings name files outside it.
    """
    if links := foreign_links(folder, ["**/*"]):
        raise link_error(links[0])
    for path in (folder / CARD, folder / SETTINGS):
        for name in _named(path):
            if not _is_below(name):
                hint = "Copy the files into this folder, and name them by their paths from there."
                raise InputError(f"{name!r} is not a file in this folder", where=str(path), hint=hint)


def _named(path: Path) -> Iterator[str]:
    """Yield the files and folders that each configuration in a card or in settings is read from."""
    if not path.is_file():
        return
    with opening("this file", str(path)):
        stated = _stated(path)
    configs = stated.get("configs") if isinstance(stated, dict) else None
    for config in configs if isinstance(configs, list) else ():
        if isinstance(config, dict):
            yield from _texts([config.get(key) for key in NAMES_FILES], path)


def _stated(path: Path) -> Any:
    """Return what is stated, read as `datasets` reads it."""
    import yaml
    from huggingface_hub import DatasetCard

    if path.name == CARD:
        return DatasetCard.load(path).data.to_dict()
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _texts(value: Any, path: Path) -> Iterator[str]:
    """Yield each text in a value; raises InputError where aliases make it hold too many values, or hold itself."""
    waiting, seen = [value], 0
    while waiting:
        value, seen = waiting.pop(), seen + 1
        if seen > MOST_VALUES:
            message = f"more than {MOST_VALUES:,} names of files (an alias counts as all that it stands for)"
            raise InputError(message, where=str(path))
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | dict):
            waiting += value.values() if isinstance(value, dict) else value


def _is_below(name: str) -> bool:
    """Return whether a pattern of file names can only mean files below the folder that it is read in."""
    whole = PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute() or name.startswith("~")
    return not whole and "://" not in name and "::" not in name and ".." not in PureWindowsPath(name).parts
