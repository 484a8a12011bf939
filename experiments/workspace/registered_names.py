"""The versions of a registered name, which of them is the champion, and every change of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from adapter_workbench.workbench.mlflow.alias import Succession
from adapter_workbench.workbench.mlflow.registration import Entry, RegisteredModel, Version, matching


@dataclass(frozen=True)
class Change:
    """One change of the champion of a name."""

    version: str  # number of the version that became the champion
    adapter: str | None  # its id
    before: str | None  # number of the version that was champion until then; None where there was none
    when: str  # the time, UTC, in ISO format
    why: str  # who or what decided, in words, with the scores and the examples that were compared
    compared: str = ""  # how the two did on the rows that both answered, in words; empty where they were not asked


@dataclass(frozen=True)
class RegisteredName:
    """The versions of one registered name, and which of them were champions."""

    versions: tuple[Version, ...] = ()  # by number, the lowest first
    # numbers of the champions; the last one is the champion now, and a rollback goes to the one before it
    line: tuple[str, ...] = ()
    history: tuple[Change, ...] = ()  # every change, the oldest first

    @property
    def champion(self) -> Version | None:
        """The version that answers under the name."""
        return self.version(self.line[-1]) if self.line else None

    @property
    def before(self) -> Version | None:
        """The champion before this one, to which a rollback goes."""
        return self.version(self.line[-2]) if len(self.line) > 1 else None

    @property
    def succession(self) -> Succession | None:
        """What MLflow's alias has to say; None where there is no champion."""
        if self.champion is None:
            return None
        aside = tuple(version for version in self.versions if version.set_aside and version.adapter)
        return Succession(self.champion, self.before, aside)

    def version(self, number: str) -> Version | None:
        """Return the version with this number, or None."""
        return next((version for version in self.versions if version.number == number), None)

    def version_of(self, wanted: Version) -> Version | None:
        """Return the version of the same adapter, or None."""
        return matching(self.versions, wanted)

    def with_versions_of(self, model: RegisteredModel) -> RegisteredName:
        """Return the same with the versions that only MLflow has; a number that exists here is not given twice.

        Numbers may differ, if the registry is another one or was emptied. So a version is identified by its adapter.
        """
        versions = list(self.versions)
        for logged in model.versions:
            if any(version.is_of(logged) for version in versions):
                continue
            numbers = {version.number for version in versions}
            number = str(1 + max(map(int, numbers))) if logged.number in numbers else logged.number
            versions.append(replace(logged, number=number))
        return replace(self, versions=tuple(sorted(versions, key=lambda version: int(version.number))))

    def with_facts_of(self, entry: Entry) -> RegisteredName:
        """Return the same with what is known now of an adapter that has a version already."""
        facts = {name: getattr(entry, name) for name in ("measure", "validation", "examples")}
        own = self.version_of(entry.version)
        versions = (
            replace(version, **facts, identity=entry.model) if version is own else version for version in self.versions
        )
        return replace(self, versions=tuple(versions))

    def with_champion(
        self, version: Version, line: tuple[str, ...], why: str, aside: bool, compared: str = ""
    ) -> RegisteredName:
        """Return the same with another champion.

        Args:
            version: the new champion.
            line: numbers of the champions before it.
            why: see :class:`Change`.
            aside: whether a person replaced the champion before, and those that are no longer in the line: none of them
                becomes champion again by itself.
            compared: see :class:`Change`.
        """
        before = self.champion
        replaced = {*self.line} - {*line, version.number} if aside else set()
        replaced |= {before.number} if aside and before is not None else set()
        versions = tuple(
            replace(known, set_aside=known.number != version.number and (known.set_aside or known.number in replaced))
            for known in self.versions
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        number = None if before is None else before.number
        change = Change(version.number, version.adapter, number, now, why, compared)
        return RegisteredName(versions, (*line, version.number), (*self.history, change))


def name_from_mlflow(model: RegisteredModel) -> RegisteredName:
    """Return a registered name that only MLflow has: an earlier version or another workspace wrote it."""
    name = RegisteredName().with_versions_of(model)
    line: list[str] = []
    number = model.champion
    while number is not None and number not in line and name.version(number) is not None:
        line.append(number)
        number = model.before.get(number)
    champion = name.version(line[0]) if line else None
    if champion is None:
        return name
    return name.with_champion(champion, tuple(reversed(line[1:])), "taken over from MLflow's alias", aside=False)
