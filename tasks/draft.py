"""A first task file for data that a person has: what it can tell from the data, with comments on how to change it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import formats, registry
from tasks.guess import Guess, guess_columns
from tasks.normalise import frame_of
from tasks.sources import hub
from tasks.spec import NAME, NAME_RULE, raw
from workbench.assets import write_whole
from workbench.errors import InputError
from workbench.text_scores import last_number

if TYPE_CHECKING:
    from tasks.sources import Table

SPLIT_NAMES = {"train": "train", "training": "train", "dev": "validation", "valid": "validation", "val": "validation"}
SPLIT_NAMES |= {"validation": "validation", "eval": "validation", "test": "test", "testing": "test", "data": "data"}
SAMPLE = 10_000  # rows that a guess looks at, evenly spaced
SENTENCE_WORDS = 8  # half of the answers have more: sentences
NUMBER_WORDS = 3  # "about 12 km" is a number, a sum worked out in words is not
HUB_ID = re.compile(r"^[\w.-]+(/[\w.-]+)?$")


@dataclass(frozen=True)
class Draft:
    """A task file that is not written yet.

    Attributes:
        name: the task's name.
        text: the YAML.
        columns: what was guessed or given.
        label_counts: distinct label or answer → rows of the training data, most frequent first.
        examples: three training rows, by raw column.
    """

    name: str
    text: str
    columns: Guess
    label_counts: Mapping[str, int]
    examples: tuple[Mapping[str, Any], ...]


def draft(
    name: str,
    origin: str,
    folder: Path,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    answer: str | None = None,
) -> Draft:
    """Return a task file for the data at ``origin``.

    Args:
        name: the task's name.
        origin: a csv, tsv, jsonl or parquet file, a folder of such files called train, dev, test …, a folder of
            ``<label>/*.txt``, or a hub id (``owner/name``, ``owner/name:config``).
        folder: where the file will lie; paths in it are relative to this folder.
        text: the text column; guessed if None, as are ``text_pair`` and ``label``.
        text_pair: the second text column.
        label: the label column.
        answer: the column with the right answers, where they are free text; then no second text and no label.

    Raises:
        InputError: a name that is not allowed, no such data, or columns that cannot be told.
        AssetError: the hub cannot be reached.
    """
    check_name(name)
    path = Path(origin).expanduser()
    tables, source = _from_files(path, folder) if path.exists() else _from_hub(origin)
    split = next((one for one in ("train", "data") if one in tables), None)
    if split is None:
        raise InputError(f"no training data, only {', '.join(tables)}", where=origin, hint="Call a file train or data.")
    frame = frame_of(tables[split])
    sample = frame.iloc[:: 1 + len(frame) // SAMPLE]
    if answer is not None and (label is not None or text_pair is not None):
        raise InputError("--answer goes without --label and --pair", hint="A task has labels or free answers.")
    columns = guess_columns(sample, origin, text=text, text_pair=text_pair, label=label, answer=answer)
    targets = frame[columns.answer or columns.label].dropna().map(raw)
    counts = {str(value): int(count) for value, count in targets.value_counts().items()}
    lines = [f"# Drafted from {origin}; every line may be changed.", f"description: {name} (say in a line what it is)"]
    target = _labels(counts) if columns.answer is None else _judged(list(counts))
    lines += [*source, *_columns(columns), *target, *_splits(set(tables))]
    lines += ["# license:", "# homepage:"]
    examples = tuple({str(key): value for key, value in row.items()} for row in frame.head(3).to_dict("records"))
    return Draft(name, "\n".join(lines) + "\n", columns, counts, examples)


def write(made: Draft, folder: Path, *, force: bool = False) -> Path:
    """Write ``<folder>/<name>.yaml`` and return its path.

    Raises:
        InputError: the catalog has a task of that name; or the file is there and ``force`` is False.
    """
    if made.name in registry.names():
        raise InputError(f"the catalog has a task called {made.name!r}", hint="Give yours another name.")
    path = folder / f"{made.name}.yaml"
    if path.exists() and not force:
        raise InputError("this file is there already", where=str(path), hint="Overwrite it with --force.")
    write_whole(path, made.text)
    return path


def check_name(name: str) -> None:
    """Raise InputError unless ``name`` may be a task's name."""
    if not re.fullmatch(NAME, name):
        raise InputError(f"{name!r} cannot be a task's name", hint=f"Use {NAME_RULE}.")


def _from_files(path: Path, folder: Path) -> tuple[dict[str, Table], list[str]]:
    files = {"data": path} if path.is_file() else _split_files(path)
    if not files:
        files = {"data": path}
        if not any(path.glob("*/*.txt")):
            known = ", ".join(formats.SUFFIXES)
            raise InputError(
                "no data in this folder",
                where=str(path),
                hint=f"Expected files called train, dev, test … ({known}), or folders <label>/*.txt.",
            )
    tables: dict[str, Table] = {split: formats.read(file) for split, file in files.items()}
    relative = {split: Path(os.path.relpath(file.resolve(), folder.resolve())) for split, file in files.items()}
    return tables, ["files:", *(f"  {split}: {_quoted(file.as_posix())}" for split, file in relative.items())]


def _split_files(path: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        words = re.split(r"[^a-z]+", file.stem.lower())
        split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)
        if split and file.is_file() and file.suffix.lower() in formats.SUFFIXES:
            if split in files:
                raise InputError(f"two files for {split}: {files[split].name}, {file.name}", where=str(path))
            files[split] = file
    return {split: file for split, file in files.items() if split != "data" or "train" not in files}


def _from_hub(origin: str) -> tuple[dict[str, Table], list[str]]:
    identity, _, config = origin.partition(":")
    if not HUB_ID.match(identity) or Path(identity).suffix.lower() in formats.SUFFIXES:
        raise InputError("no such file or folder, and not a hub id (owner/name)", where=origin)
    settings = hub.HubSettings(id=identity, config=config or None, revision=None)
    tables: dict[str, Table] = dict(hub.read(settings, Path()))
    lines = ["hub:", f"  id: {identity}", *([f"  config: {config}"] if config else [])]
    return tables, [*lines, "  # revision: pin a commit here to keep results comparable"]


def _columns(columns: Guess) -> list[str]:
    lines = ["columns:", f"  text: {_quoted(columns.text)}"]
    if columns.text_pair:
        lines.append(f"  text_pair: {_quoted(columns.text_pair)}")
    name, target = ("answer", columns.answer) if columns.answer else ("label", columns.label or "label")
    return [*lines, f"  {name}: {_quoted(target)}"]


def _judged(answers: list[str]) -> list[str]:
    """Return how free answers are judged: numbers as numbers, sentences by ROUGE-L, what is short as it stands."""
    words = sorted(len(answer.split()) for answer in answers)
    if all(last_number(answer) is not None for answer in answers) and words[-1] <= NUMBER_WORDS:
        metric = "numeric-match"
    else:
        metric = "rouge-l" if words[len(words) // 2] > SENTENCE_WORDS else "exact-match"
    longest = max(len(answer) for answer in answers)
    return [
        "kind: causal-lm",
        f"metric: {metric} # or exact-match, numeric-match (the last number of the text), rouge-l",
        f"max_new_tokens: {longest // 2 + 4} # of an answer; `workbench tasks check --backbone` counts what is cut",
    ]


def _labels(counts: Mapping[str, int]) -> list[str]:
    values = sorted(counts)
    if all(value.lstrip("-").isdigit() for value in values):
        lines = [f"  {_quoted(value)}: {_quoted(value)}" for value in sorted(values, key=int)]
        return ["labels: # raw value: the name that reports show", *lines]
    return ["labels: # their order is the order of the classes", *(f"  - {_quoted(value)}" for value in values)]


def _splits(given: set[str]) -> list[str]:
    cut = {split: share for split, share in (("validation", 0.1), ("test", 0.2)) if split not in given}
    if not cut:
        return []
    lines = [f"  {split}: {share} # share of the training rows, cut off" for split, share in cut.items()]
    return ["splits:", *lines, "  seed: 0"]


def _quoted(value: str) -> str:
    """Return ``value`` so that YAML reads it as this string."""
    import yaml

    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).removesuffix("...\n").strip()
    )
