"""A task file into a task: read the source, normalise, split, check, fingerprint; cached where bytes are known."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from adapter_workbench.tasks.loading.stored_rows import Content, dataset, is_cached, load_or_make, table_of
from adapter_workbench.tasks.reading import formats
from adapter_workbench.tasks.rows import cutting, label_sets, labels, normalise, values
from adapter_workbench.tasks.rows.answers import with_metrics
from adapter_workbench.tasks.rows.fingerprint import LISTS, fingerprint
from adapter_workbench.tasks.rows.pairs import same_label_pairs
from adapter_workbench.tasks.sources import SOURCES
from adapter_workbench.tasks.task_file.spec import TaskSpec
from adapter_workbench.tasks.task_file.task_file import SAME_OR_NOT
from adapter_workbench.workbench.errors import DataError, InputError, suggest
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.task import SPLITS, Task

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.tasks.sources import Table

VERSION = 5  # of the rows that a task file gives; another version makes old cached rows unused
CUT = {"test": 0.2, "validation": 0.1}  # what is cut from train, in this order, where a file does not say


def load(spec: TaskSpec) -> Task:
    """Return the task with its data, the same for the same file and bytes.

    Raises:
        DataError: the data do not fit the file; what, where and what would work.
        AssetError: the source cannot be fetched.
    """
    source = SOURCES.get(spec.source)
    identity = source.identity(spec.source_settings, spec.folder)

    def make() -> Content:
        return make_content(spec, source.read(spec.source_settings, spec.folder))

    content = make() if identity is None else load_or_make(_key(spec, identity), make)
    splits = {
        split: dataset(table, f"{content.fingerprint} {split}", content.labels)
        for split, table in content.tables.items()
    }
    origin = f"{spec.origin} ({'; '.join(content.notes)})" if content.notes else spec.origin
    file, hub_id = spec.file, source.hub_id(spec.source_settings)
    about = (origin, file.license, hub_id, file.homepage)
    return Task(spec.name, file.kind, content.labels, splits, content.fingerprint, *about)


def available(spec: TaskSpec) -> Availability:
    """Say whether the task's rows are on this machine, or where they would come from; nothing is fetched or read."""
    source = SOURCES.get(spec.source)
    try:
        identity = source.identity(spec.source_settings, spec.folder)
        if identity is not None and is_cached(_key(spec, identity)):
            return Availability("here", "read before, and its rows are cached")
        return source.available(spec.source_settings, spec.folder)
    except InputError as error:
        return Availability("missing", f"{error.what}: {error.where}" if error.where else error.what)


def _key(spec: TaskSpec, identity: str) -> str:
    file_json = spec.file.model_dump_json(exclude={"name", "description", "license", "homepage"})
    source, kind = SOURCES.identity(spec.source), KINDS.code(spec.file.kind).values()
    facts = [str(VERSION), source, spec.source_settings.model_dump_json(), identity, file_json, *kind]
    unlisted = spec.file.unlisted
    if unlisted == "keep" or (unlisted == "refuse" and spec.file.names_one_label):  # file_json is the same for both
        facts.append(f"other labels: {unlisted}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def make_content(spec: TaskSpec, tables: Mapping[str, Table]) -> Content:
    """Return what a task's file makes of the tables of its source; raises DataError as :func:`load`."""
    chosen, cuts = _plan(spec, tables)
    rows_by_split = {split: normalise.rows_of(spec, name, tables[name]) for split, name in chosen.items()}
    if spec.file.unique_texts:
        rows_by_split = normalise.unique_texts(rows_by_split)
    label_names, rows = _decode_labels(
        spec, chosen, {split: split_rows.frame for split, split_rows in rows_by_split.items()}
    )
    if cuts and len(rows["train"]):
        _require_enough(spec, cuts, len(rows["train"]))
        options = spec.file.splits
        rows |= cutting.cut(rows["train"], cuts, seed=options.seed, stratified=options.stratified)
    rows = {split: rows[split] for split in SPLITS if split in rows}
    notes = _notes(chosen, tables, rows_by_split)
    if spec.file.pairs:
        label_names, single, rows = SAME_OR_NOT, rows, _pairs(rows, spec.file.splits.seed)
        notes += _unpaired(single, rows)
    _require_examples(spec, rows, label_names, cuts)
    _require_ids(spec, rows)
    if "value" in rows["train"]:
        rows = values.scale_values(spec, rows)
    try:
        content = {split: table_of(frame) for split, frame in rows.items()}
    except UnicodeEncodeError as error:
        raise DataError(
            f"a text holds half of a Unicode character (a lone surrogate): {error}",
            where=spec.document.where(spec.source),
        ) from None
    return Content(label_names, fingerprint(spec.file.kind, label_names, content), notes, content)


def _pairs(rows: Mapping[str, pd.DataFrame], seed: int) -> dict[str, pd.DataFrame]:
    return {split: same_label_pairs(frame, seed) for split, frame in rows.items()}


def _unpaired(single: Mapping[str, pd.DataFrame], pairs: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    """Return a note of the texts that are in no pair."""
    texts = sum(map(len, single.values())) - sum(frame["text"].nunique() for frame in pairs.values())
    return (f"{texts:,} texts left out so that both answers are equally frequent",) if texts else ()


def _notes(
    chosen: Mapping[str, str], tables: Mapping[str, Table], rows_by_split: Mapping[str, normalise.Rows]
) -> tuple[str, ...]:
    """Return notes for the user: rows that were left out, and files whose number of lines is not that of their rows."""
    left_out = {
        "a text": sum(rows.empty for rows in rows_by_split.values()),
        "a label": sum(rows.untold for rows in rows_by_split.values()),
    }
    notes = [f"{count:,} rows without {missing} left out" for missing, count in left_out.items() if count]
    if duplicates := sum(rows.duplicates for rows in rows_by_split.values()):
        notes.append(f"{duplicates:,} rows left out whose text another row of the source has")
    for name in dict.fromkeys(chosen.values()):
        lines, rows = formats.lines_of(tables[name]), len(tables[name])
        if lines is not None and lines != rows:
            notes.append(f"{name} has {lines:,} lines and {rows:,} rows")
    return tuple(notes)


def _decode_labels(
    spec: TaskSpec, chosen: Mapping[str, str], frames: Mapping[str, pd.DataFrame]
) -> tuple[tuple[str, ...], dict[str, pd.DataFrame]]:
    """Return the label names (none for words and numbers) and the rows, with indices for labels."""
    target = KINDS.get(spec.file.kind).target
    if target == "answer":
        return (), {split: with_metrics(spec, frame) for split, frame in frames.items()}
    if target == "value":
        return (), dict(frames)
    if target in LISTS:
        names, named = labels.label_names(spec, frames["train"][target].explode().dropna().astype("str"))
        return names, {split: label_sets.decode(spec, split, frame, names, named) for split, frame in frames.items()}
    names, named = labels.label_names(spec, frames["train"]["label"])
    return names, {split: labels.decode(spec, chosen[split], frame, names, named) for split, frame in frames.items()}


def _plan(spec: TaskSpec, tables: Mapping[str, Table]) -> tuple[dict[str, str], dict[str, float]]:
    """Return task split → split of the source, and task split → amount to cut from train."""
    options = spec.file.splits
    train = options.train or ("data" if "data" in tables and "train" not in tables else "train")
    chosen, cuts = {"train": train}, {}
    for split, share in CUT.items():
        choice = getattr(options, split)
        if choice is None:
            choice = split if split in tables else share
        if isinstance(choice, str):
            chosen[split] = choice
        else:
            cuts[split] = float(choice)
    for split, name in chosen.items():
        if name not in tables:
            declared = getattr(options, split) is not None
            where = spec.document.where("splits", split) if declared else spec.document.where(spec.source)
            raise DataError(f"the source has no split {name!r}", where=where, hint=suggest(name, tables))
    for first, second in combinations(chosen, 2):
        if chosen[first] == chosen[second]:
            message = f"{first} and {second} are both the source's {chosen[first]!r}"
            hint = "Name another split, or give a share such as 0.1, which is cut from train."
            raise DataError(message, where=spec.document.where("splits", second), hint=hint)
    return chosen, cuts


def _require_enough(spec: TaskSpec, cuts: Mapping[str, float], rows: int) -> None:
    rows_by_split = {split: amount if amount >= 1 else amount * rows for split, amount in cuts.items()}
    if rows > 1 and sum(rows_by_split.values()) >= rows:
        amounts = ", ".join(f"{split} {amount:.0f}" for split, amount in rows_by_split.items())
        raise DataError(f"cannot cut {amounts} from {rows} rows", where=spec.document.where("splits"))


def _require_examples(
    spec: TaskSpec, rows: Mapping[str, pd.DataFrame], label_names: tuple[str, ...], cuts: Mapping[str, float]
) -> None:
    for split in SPLITS:
        if not len(rows.get(split, ())):
            sizes = ", ".join(f"{name} {len(rows.get(name, ()))}" for name in SPLITS)
            few = f"{sum(map(len, rows.values())):,} rows are too few: " if split in cuts and len(rows["train"]) else ""
            checks = "Check `where`, `labels` and `splits`; a split is cut from train where the source has none."
            hint = f"{cutting.A_BEGINNING} rows are a beginning; or give {split} a file of its own." if few else checks
            raise DataError(
                f"{few}split {split!r} is empty ({sizes})", where=spec.document.where("splits", split), hint=hint
            )
    if not label_names:
        return
    labels = rows["train"][KINDS.get(spec.file.kind).target].explode().dropna()
    counts = {int(index): count for index, count in Counter(labels).most_common()}
    if missing := [name for index, name in enumerate(label_names) if index not in counts]:
        have = ", ".join(f"{label_names[index]} {count}" for index, count in counts.items())
        raise DataError(
            f"no training example of {', '.join(missing)} (train has {have})",
            where=spec.document.where("labels") if spec.file.labels else spec.document.where("columns", "label"),
            hint="Remove the label from `labels`, or add examples of it.",
        )


def _require_ids(spec: TaskSpec, rows: Mapping[str, pd.DataFrame]) -> None:
    import pandas as pd

    ids = pd.concat([rows[split]["id"] for split in SPLITS])
    if (twice := ids[ids.duplicated()]).size:
        raise DataError(
            f"ids are not unique: {', '.join(twice.unique()[:5])} ({twice.size} repeated over all splits)",
            where=spec.document.where("columns", "id"),
            hint="Leave `id` out: rows are then numbered.",
        )
