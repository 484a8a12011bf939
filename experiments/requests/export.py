"""What `workbench adapters export` and ``Exchange.export`` are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from adapter_workbench.experiments.requests.fields import Adapter
from adapter_workbench.experiments.requests.request import Request


@dataclass(frozen=True)
class ExportRequest(Request):
    """Which adapter is to be written where, and as what."""

    adapter: Adapter
    folder: Annotated[Path | str, Field(description="A new or empty folder.")]
    merge: Annotated[bool, Field(description="Write the whole model, with the update in the backbone's weights.")] = (
        False
    )
    backbone: Annotated[str | None, Field(description="Where the backbone is now, if it was given by path.")] = None
    form: Annotated[
        str | None,
        Field(description="With --merge: sequence-classification, token-classification or causal-lm."),
    ] = None
    original: Annotated[
        bool, Field(description="Write the files as they came in, for the program that trained it.")
    ] = False
