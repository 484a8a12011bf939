"""Say what works on this machine: packages, devices, precision, quantisation, tracking, entries of other packages."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.terminal.options import Workspace
from experiments.terminal.output import Json, emit, stdout, table
from experiments.terminal.registries import extendable

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Use no network, except for the tracking server.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Check everything that the workbench needs, and say how to install what is missing.

    The exit code is 1 if something that every command needs does not work.
    """
    from experiments.engine.diagnosis import diagnose
    from experiments.engine.plugin_findings import plugin_findings
    from experiments.workspace import find_workspace

    findings = [*diagnose(find_workspace(workspace), offline), *plugin_findings(extendable())]
    if as_json:
        emit([finding.as_json() for finding in findings])
    else:
        rows = [
            ("ok" if finding.works else "MISSING" if finding.needed else "no", finding.name, finding.detail)
            for finding in findings
        ]
        table(["", "what", "detail"], rows)
        for finding in findings:
            if finding.remedy:
                stdout.print(f"\n{finding.name}: {finding.remedy}.")
    if any(finding.needed and not finding.works for finding in findings):
        raise typer.Exit(1)
