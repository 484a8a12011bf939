"""Who is the champion of a registered name: by validation scores, by a person's word, and back again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workbench.adapters.ids import by_id
from workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from experiments.workspace.registered_names import RegisteredName
    from workbench.mlflow.registration import Version

MOST_NAMED = 8  # versions that a message lists
REGISTER = "Register one: workbench adapters register ID"


def by_score(name: str, version: Version, champion: Version | None) -> tuple[bool, str]:
    """Return whether a version that was registered is the champion now, and why: the reason says what was compared.

    A version becomes the champion where there is none, or where it beats the champion on the same validation examples.
    One whose score is its sender's, and one that a person took the place from, does so only by a person's word.
    """
    called = f"version {version.number}"
    if champion is not None and champion.number == version.number:
        return True, f"{called} is the champion already"
    stays = "there is no champion" if champion is None else f"version {champion.number} stays champion"
    promotion = f"`workbench adapters promote {shlex.quote(name)} --to {version.number}`"
    if version.set_aside:
        return False, f"{stays}: {called} was set aside by a rollback or promotion; {promotion} makes it the champion"
    if version.validation is None:
        measured = f"`workbench adapters test {version.adapter}` measures it here, {promotion} does without"
        return False, f"{stays}: {called} came from elsewhere, and no score of it counts here; {measured}"
    if champion is None:
        return True, f"{called} is the champion: there was none"
    if not comparable(version, champion):
        return False, f"{stays}: {compared(version, champion)}; {promotion} decides without a score"
    wins = champion.validation is None or version.validation > champion.validation
    return wins, f"{f'{called} is the champion' if wins else stays}: {compared(version, champion)}"


def comparable(version: Version, other: Version) -> bool:
    """Return whether the validation scores of two versions are scores on the same examples by the same metric."""
    known = version.validation is not None and other.validation is not None
    return known and version.measure is not None and version.measure == other.measure


def compared(version: Version, other: Version) -> str:
    """Return how two versions were compared: both scores and on which examples, or why they cannot be compared."""
    if comparable(version, other):
        examples = version.examples or other.examples or "the same validation examples"
        scores = f"version {version.number} has {version.validation:.4f}, version {other.number} {other.validation:.4f}"
        return f"on {examples}, {scores}"
    return f"not compared: {_score_in_words(version)}, {_score_in_words(other)}"


def _score_in_words(version: Version) -> str:
    if version.validation is None:
        return f"no score of version {version.number} counts here"
    return (
        f"version {version.number} has {version.validation:.4f} on {version.examples or 'examples that are not known'}"
    )


def full_name(name: str, names: Sequence[str]) -> str:
    """Return the registered name that a person means: the name itself, or the only ``TASK.METHOD`` of a task.

    Raises:
        UnknownNameError: no such name is registered.
        InputError: the task has several.
    """
    if name in names:
        return name
    of_task = [registered for registered in names if registered.rpartition(".")[0] == name]
    if len(of_task) > 1:
        message = f"{name!r} has {len(of_task)} registered models: {', '.join(of_task[:MOST_NAMED])}"
        raise InputError(message, hint="Name one of them.")
    if not of_task:
        raise UnknownNameError("registered model", name, names)
    return of_task[0]


def back(name: str, known: RegisteredName, to: str | None) -> RegisteredName:
    """Return a name whose champion is the one before, or the version ``to`` means.

    Where ``to`` was champion earlier in the line, the line ends there, as after several rollbacks; any other version is
    a new champion, and the next rollback leads back to the one before it.

    Raises:
        InputError: no earlier champion is recorded, or there is no such version.
    """
    was = known.champion
    if to is not None:
        version = _meant(name, known, to)
        below = known.line[:-1]
        line = below[: len(below) - 1 - below[::-1].index(version.number)] if version.number in below else known.line
        return known.with_champion(version, line, f"rolled back, to version {version.number}", aside=True)
    if was is None:
        raise InputError("this name has no champion", where=name, hint=_choices(known))
    if known.before is None:
        raise InputError(f"no champion before version {was.number} is recorded", where=name, hint=_choices(known))
    return known.with_champion(known.before, known.line[:-2], "rolled back", aside=True)


def promote(name: str, known: RegisteredName, to: str | None) -> RegisteredName:
    """Return a name whose champion is the version that ``to`` means; the next rollback leads back to the one before.

    Raises:
        InputError: ``to`` is None, there is no such version, or it is the champion.
    """
    if to is None:
        raise InputError("--to VERSION is missing", where=name, hint=_choices(known))
    version, was = _meant(name, known, to), known.champion
    why = "promoted: there was no champion" if was is None else f"promoted; {compared(version, was)}"
    return known.with_champion(version, known.line, why, aside=True)


def _meant(name: str, known: RegisteredName, to: str) -> Version:
    version = known.version(to) or _of_adapter(known, to)
    if version is None:
        if to.isdecimal():
            raise InputError(f"there is no version {to}", where=name, hint=_choices(known))
        hint = f"{_choices(known)} `workbench adapters register ID` makes an adapter a version."
        raise InputError(f"{to!r} is not the adapter of any version", where=name, hint=hint)
    if known.champion is not None and version.number == known.champion.number:
        raise InputError(f"version {version.number} is the champion already", where=name, hint=_choices(known))
    return version


def _of_adapter(known: RegisteredName, name: str) -> Version | None:
    try:
        adapter = by_id(name, sorted({version.adapter for version in known.versions if version.adapter}))
    except UnknownNameError:
        return None
    versions = [version for version in known.versions if version.adapter == adapter]
    if len(versions) > 1:
        numbers = " and ".join(f"version {version.number}" for version in versions)
        raise InputError(f"{adapter!r} has other files in {numbers}", hint="Name the number of one of them.")
    return versions[0]


def _choices(known: RegisteredName) -> str:
    """Return which versions ``--to`` may name, the newest first."""
    champion = known.champion
    others = [version for version in reversed(known.versions) if champion is None or version.number != champion.number]
    if not others:
        return f"There is no other version. {REGISTER}"
    more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    return f"Name one with --to: {', '.join(map(str, others[:MOST_NAMED]))}{more}."


def succession_of(names: Mapping[str, RegisteredName], name: str) -> Version | None:
    """Return the champion of a name; None where it has none, or is not known."""
    return names[name].champion if name in names else None
