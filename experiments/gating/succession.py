"""Who is the champion of a registered name: by validation scores, by a person's word, and back again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from adapter_workbench.experiments.gating.takeover import ACCEPT, Takeover
from adapter_workbench.workbench.adapters.ids import by_id
from adapter_workbench.workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace.registered_names import RegisteredName
    from adapter_workbench.workbench.mlflow.registration import Version

MOST_NAMED = 8  # versions that a message lists
REGISTER = "Register one: workbench adapters register ID"


def decide(
    name: str, version: Version, champion: Version | None, outcome: Takeover | str | None = None, accepted: bool = False
) -> tuple[bool, str]:
    """Return whether a version that was registered is the champion now, and why: the reason says what was compared.

    A version becomes the champion where there is none. Else it has to hold beside the champion
    (:mod:`.takeover`), and to score higher on the rows that both answered, unless it learned a later
    version of the task. Where the rows cannot be asked, it has to score higher on the same validation examples. One
    whose score is its sender's, and one that a person took the place from, does so only by a person's word.

    Args:
        name: ``TASK.METHOD``.
        version: that was registered.
        champion: None where there is none.
        outcome: how the two compare on rows, or why they cannot be compared so.
        accepted: whether a person accepted what is lost.
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
    comparison = beside(version, champion, outcome)
    wins = is_better(version, champion, outcome)
    if wins is None and not accepted:
        return False, f"{stays}: {comparison}; {promotion} decides without a score"
    if accepted and not wins and not (isinstance(outcome, Takeover) and outcome.holds):
        return True, f"{called} is the champion: {comparison}; accepted with {ACCEPT}"
    return bool(wins), f"{f'{called} is the champion' if wins else stays}: {comparison}"


def is_better(version: Version, champion: Version, outcome: Takeover | str | None) -> bool | None:
    """Return whether a version takes the champion's place; None where nothing can be compared.

    One of the same version of the task has to score higher on the same rows; one of a later version has to hold.
    """
    if isinstance(outcome, Takeover):
        return outcome.holds and (outcome.later or (outcome.difference.mean or 0.0) > 0)
    if not comparable(version, champion):
        return None
    return version.validation is not None and version.validation > (champion.validation or 0.0)


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


def promoted(name: str, known: RegisteredName, to: str | None) -> Version:
    """Return the version that ``to`` means.

    Raises:
        InputError: ``to`` is None, there is no such version, or it is the champion.
    """
    if to is None:
        raise InputError("--to VERSION is missing", where=name, hint=_choices(known))
    return _meant(name, known, to)


def promote(known: RegisteredName, version: Version, outcome: Takeover | str | None) -> RegisteredName:
    """Return a name whose champion is ``version``; the next rollback leads back to the one before.

    ``outcome`` is how it compares with the champion on rows, or why it cannot be compared so.
    """
    was = known.champion
    if was is None:
        return known.with_champion(version, known.line, "promoted: there was no champion", aside=True)
    why, compared = f"promoted; {beside(version, was, outcome)}", on_rows(version, was, outcome)
    return known.with_champion(version, known.line, why, aside=True, compared=compared)


def beside(version: Version, champion: Version, outcome: Takeover | str | None) -> str:
    """Return how a version compares with a champion: on rows, else by their scores, else why neither is known.

    One without a number is no version of a name yet, and the champion may be one of another name.
    """
    if isinstance(outcome, Takeover):
        number = f"version {champion.number}"
        if not version.number:
            return outcome.sentence(f"{version.adapter}", champion.adapter or number)
        return outcome.sentence(f"version {version.number}", number)
    why = f" ({outcome})" if outcome and not comparable(version, champion) else ""
    return f"{compared(version, champion)}{why}"


def on_rows(version: Version, champion: Version | None, outcome: Takeover | str | None) -> str:
    """Return how a version compares with a champion on rows; nothing where they are not compared so."""
    return beside(version, champion, outcome) if champion is not None and isinstance(outcome, Takeover) else ""


def comparison_of(known: RegisteredName, now: Version, was: Version) -> str:
    """Return how two champions of a name compare, as it was said when one of them followed the other.

    Where it was not, the two validation scores are compared.
    """
    pair = {now.number, was.number}
    newest = known.history[-1] if known.history else None
    for change in reversed(known.history):
        if change.compared and {change.version, change.before} == pair:
            if change is newest:
                return change.compared
            return f"as compared when version {change.version} followed version {change.before}: {change.compared}"
    return compared(now, was)


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
