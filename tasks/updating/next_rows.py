"""The rows of the next version: what the old rows and the given ones make together. A text has one split, for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapter_workbench.tasks.updating.label_map import LabelMap
from adapter_workbench.tasks.updating.rows import GivenRow, Row, id_of_new, split_of
from adapter_workbench.workbench.methods.task import SPLITS

STRICT = {split: rank for rank, split in enumerate(SPLITS)}  # a text of two splits belongs to the later one


@dataclass(frozen=True)
class RowChanges:
    """What became of rows, by their ids."""

    new: tuple[str, ...] = ()  # that the version before has not
    relabelled: tuple[str, ...] = ()  # whose label is another one; a label that was renamed or merged does not count
    changed: tuple[str, ...] = ()  # whose text is another one under the same id
    gone: tuple[str, ...] = ()  # that are in no split any more
    left_out: tuple[str, ...] = ()  # whose text belongs to another split than theirs
    unlabelled: tuple[str, ...] = ()  # of a label that was split, without a label among the given rows
    elsewhere: tuple[str, ...] = ()  # texts that were given in one split, and stay in the other one that they belong to


@dataclass(frozen=True)
class NextRows:
    rows: tuple[Row, ...]  # the old ones in their order, then new ones by id
    forgotten: Mapping[str, str]  # text → split, of all texts that some version had and this one has not
    changes: RowChanges  # against the version before


@dataclass
class _Fate:
    """What becomes of the rows, one after another."""

    kept: list[Row] = field(default_factory=list)
    relabelled: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)

    def keep(self, old: Row, label: str | None, given: GivenRow | None, *, as_mapped: bool) -> None:
        """Keep an old row with a label, and with the text of the given one; without a label it is unlabelled."""
        if label is None:
            self.unlabelled.append(old.id)
            return
        text, values = (given.text, given.values) if given and given.text != old.text else (old.text, old.values)
        self.kept.append(Row(old.id, old.split, text, label, values))
        if not as_mapped:
            self.relabelled.append(old.id)
        if text != old.text:
            self.changed.append(old.id)


def next_rows(
    old: Sequence[Row],
    forgotten: Mapping[str, str],
    given: Sequence[GivenRow],
    labels: LabelMap,
    shares: Mapping[str, float],
    *,
    replace: bool,
) -> NextRows:
    """Return the rows of the next version.

    A text stays in the split in which some version had it first, for ever; new texts get theirs by a digest of the
    text, so that neither the order of rows nor that of updates matters. Given rows find theirs by id if they have ids,
    else by text. All old rows with the text of a given row have its label afterwards, each one of the labels that the
    text is given with. A row whose text belongs to another split than its own is left out. With ``replace``, of equal
    old rows as many stay as are given.

    Args:
        old: the rows of the version before.
        forgotten: text → split, of texts that earlier versions had.
        given: of the update, their labels named as in the new version.
        labels: the labels of both versions.
        shares: of new texts, for ``test`` and ``validation``.
        replace: whether old rows that are not given are gone.
    """
    belongs = {**forgotten, **{row.text: row.split for row in sorted(old, key=lambda row: STRICT[row.split])}}
    has_ids = any(row.id is not None for row in given)
    match = _matched_by_id if has_ids else _matched_by_text
    fate = _Fate()
    new = match(old, given, labels, fate, replace=replace)
    _settle_changed(fate, belongs)
    elsewhere = _settle_given(given, belongs, shares)
    taken: dict[str, object] = dict.fromkeys(row.id for row in old)
    added: list[Row] = []
    for row in new:
        row_id = id_of_new(row, taken)
        taken[row_id] = None
        added.append(Row(row_id, belongs[row.text], row.text, row.label, row.values))
    rows = [*fate.kept, *sorted(added, key=lambda row: row.id)]
    sound = tuple(row for row in rows if belongs[row.text] == row.split)
    here = {row.text for row in sound}
    left_out = tuple(row.id for row in rows if belongs[row.text] != row.split)
    changes = RowChanges(
        new=tuple(row.id for row in sound[len(fate.kept) - len(left_out) :]),
        relabelled=tuple(fate.relabelled),
        changed=tuple(fate.changed),
        gone=tuple(fate.gone),
        left_out=left_out,
        unlabelled=tuple(fate.unlabelled),
        elsewhere=elsewhere,
    )
    return NextRows(sound, {text: split for text, split in belongs.items() if text not in here}, changes)


def _matched_by_id(
    old: Sequence[Row], given: Sequence[GivenRow], labels: LabelMap, fate: _Fate, *, replace: bool
) -> list[GivenRow]:
    """Decide on the old rows by the ids of the given ones; return the given rows that are new."""
    by_id = {row.id: row for row in given if row.id is not None}
    for row in old:
        match, names = by_id.pop(row.id, None), labels.later(row.label)
        if match is not None:
            fate.keep(row, match.label, match, as_mapped=names == (match.label,))
        elif replace or not names:
            fate.gone.append(row.id)
        else:
            fate.keep(row, names[0] if len(names) == 1 else None, None, as_mapped=True)
    return list(by_id.values())


def _matched_by_text(
    old: Sequence[Row], given: Sequence[GivenRow], labels: LabelMap, fate: _Fate, *, replace: bool
) -> list[GivenRow]:
    """Decide on the old rows by the texts of the given ones; return the given rows that are new."""
    by_text: dict[str, dict[str, GivenRow]] = {}
    for given_row in sorted(given, key=lambda row: (row.label, row.values)):
        by_text.setdefault(given_row.text, {}).setdefault(given_row.label, given_row)
    copies = Counter((row.text, row.label) for row in given) if replace else None
    split_of_text = {row.text: row.split for row in sorted(old, key=lambda row: STRICT[row.split])}
    asked = [row for row in old if row.text in by_text]
    label_of = _labels_of([row for row in asked if row.split == split_of_text[row.text]], by_text, labels, copies)
    for row in old:
        names, wanted = labels.later(row.label), by_text.get(row.text, {})
        if row.id in label_of:
            fate.keep(row, label_of[row.id], None, as_mapped=names == (label_of[row.id],))
        elif wanted and row.split != split_of_text[row.text]:  # it is left out, whatever its label
            fate.keep(row, next(iter(wanted)), None, as_mapped=True)
        elif replace or not names:
            fate.gone.append(row.id)
        else:
            fate.keep(row, names[0] if len(names) == 1 else None, None, as_mapped=True)
    held = {(row.text, label_of[row.id]) for row in asked if row.id in label_of}
    return [row for text, rows in by_text.items() for label, row in rows.items() if (text, label) not in held]


def _labels_of(
    rows: Sequence[Row],
    by_text: Mapping[str, Mapping[str, GivenRow]],
    labels: LabelMap,
    copies: Counter[tuple[str, str]] | None,
) -> dict[str, str]:
    """Return id → label of old rows: one of their own, else one that no row of the text has yet, else any given one.

    Args:
        rows: the old rows of the given texts.
        by_text: given text → label → row.
        labels: the labels of both versions.
        copies: how many rows of a text and a label get it at most, those first that have it already; None for all.
    """
    own = {row.id: [name for name in labels.later(row.label) if name in by_text[row.text]] for row in rows}
    label_of: dict[str, str] = {}
    held: Counter[tuple[str, str]] = Counter()
    for row in rows if copies is None else sorted(rows, key=lambda row: not own[row.id]):
        free = [name for name in by_text[row.text] if not held[row.text, name]]
        for label in (*own[row.id], *free, *by_text[row.text]):
            if copies is None or held[row.text, label] < copies[row.text, label]:
                label_of[row.id] = label
                held[row.text, label] += 1
                break
    return label_of


def _settle_changed(fate: _Fate, belongs: dict[str, str]) -> None:
    """Give texts that a row has now the split of that row, if no version had them; of two splits the later one."""
    unknown: dict[str, str] = {}
    for row in fate.kept:
        if row.text not in belongs:
            unknown[row.text] = max(row.split, unknown.get(row.text, row.split), key=STRICT.__getitem__)
    belongs |= unknown


def _settle_given(given: Sequence[GivenRow], belongs: dict[str, str], shares: Mapping[str, float]) -> tuple[str, ...]:
    """Give new texts their split; return the texts that were given in another split than theirs."""
    wished: dict[str, str] = {}
    for row in given:
        if row.split is not None:
            wished[row.text] = max(row.split, wished.get(row.text, row.split), key=STRICT.__getitem__)
    for text in {row.text: None for row in given}:
        if text not in belongs:
            belongs[text] = wished.get(text) or split_of(text, shares)
    return tuple(sorted({row.text for row in given if row.split is not None and belongs[row.text] != row.split}))
