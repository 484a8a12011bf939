"""What a machine of a cluster says of itself before it gets work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.machine.package_versions import DISTRIBUTION, PACKAGES


@dataclass(frozen=True)
class MachineReport:
    """What a machine says of itself.

    Attributes:
        sees_workspace: whether it reads the same files in the folder of the workspace.
        versions: package → version, of this one and those that numbers depend on; None where it is not installed.
    """

    sees_workspace: bool
    versions: Mapping[str, str | None]


def machine_report(marker: Path, token: str) -> MachineReport:
    """Return the report of the machine where this is called; it sees the workspace if ``marker`` holds ``token``."""
    sees = marker.is_file() and marker.read_text(encoding="utf-8") == token
    return MachineReport(sees, _versions())


def require_same_versions(reports: Iterable[tuple[str, MachineReport]], where: str) -> None:
    """Make sure that each machine computes with the versions of this one, which the keys of results hold.

    Args:
        reports: each with the address of its machine.
        where: the option that names the cluster.

    Raises:
        InputError: some have other versions; the message names them.
    """
    here = _versions()
    wrong = []
    for address, report in reports:
        differing = [name for name in here if report.versions[name] != here[name]]
        named = [f"{name} {report.versions[name] or 'missing'} (here {here[name] or 'missing'})" for name in differing]
        if named:
            wrong.append(f"{address} has {', '.join(named)}")
    if wrong:
        hint = "Install the same versions in the environment in which Ray was started there, and start Ray again."
        raise InputError(f"machines have other packages: {'; '.join(wrong)}", where=where, hint=hint)


def _versions() -> dict[str, str | None]:
    return {name: installed_version(name) for name in (DISTRIBUTION, *PACKAGES)}
