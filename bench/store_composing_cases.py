"""Keep the cases of finished comparisons of compositions in one small file.

    python -m bench.store_composing_cases fuse-new-task.json fuse-reasoning.json --out FILE.json

Reads files that ``workbench report NAME --json --full`` wrote, which are large. :mod:`bench.predict_composing` takes
the small file in their place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter_workbench.workbench.errors import InputError
from bench import program
from bench.composing_cases import cases, read


def main(
    context: typer.Context,
    reports: Annotated[list[Path], typer.Argument(help="Reports, each of a finished experiment.")],
    out: program.Out,
) -> None:
    """Write the cases, and where each experiment came from."""
    documents = [read(path) for path in reports]
    for path, document in zip(reports, documents, strict=True):
        if not document["complete"]:
            raise InputError(f"{document['experiment']} is not finished", where=str(path))
    made_from = {document["experiment"]: document["provenance"] for document in documents}
    kept = [case.as_json() for document in documents for case in cases(document)]
    program.write(context, out, experiments=made_from, cases=kept)
    typer.echo(f"{len(kept)} cases of {', '.join(made_from)}")


if __name__ == "__main__":
    typer.run(main)
