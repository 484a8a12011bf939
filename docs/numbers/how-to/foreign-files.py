"""The numbers of docs/foreign-files.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import read, require

FORMATS = ("tokenizers", "vocabularies")
STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield how many cases were tried, and how often commands were killed."""
    document = read("fuzz")
    kinds, kills = document["kinds"], document["kills"]
    read_by_tokenizers = sum(kinds[name]["cases"] for name in FORMATS)
    require(not document["findings"], "without a finding")
    yield f"A program makes hostile input from numbers and tries it: {document['cases']:,} cases ran without a finding"
    yield f"{read_by_tokenizers:,} tokenizers"
    yield f"{kinds['task_files']['cases']:,} task files"
    yield f"{kinds['permissions']['cases']:,} commands in folders that may not be read or written"
    names = ("adapters import", "update", "fuse", "repair", "run")
    require(kills.keys() == {name.rpartition(" ")[2] for name in names}, "these commands were killed")
    yield f"{sum(kills.values()):,} kills, at least {min(kills.values())} of each command"
