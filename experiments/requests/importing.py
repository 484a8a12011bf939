"""What `workbench adapters import` and ``Exchange.import_adapter`` are told of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from adapter_workbench.workbench.settings.bounds import FEWEST_TOKENS, MOST_TOKENS


@dataclass(frozen=True)
class ImportOptions:
    """What a person says of a folder to import; :func:`.import_options.require_possible` checks it."""

    task: Annotated[str | None, Field(description="Your task that it answers, if the folder does not say it.")] = None
    backbone: Annotated[
        str | None,
        Field(description="Its base model: a name, hub id or folder. Needed if the workspace does not know it."),
    ] = None
    name: Annotated[
        str | None,
        Field(description="Beginning of its id; task and method if left out. For one adapter only."),
    ] = None
    labels: Annotated[
        tuple[str, ...] | None,
        Field(
            description="Its labels in the order of its outputs, separated by commas; or auto: the order that scores "
            "highest on validation rows of --task, if it is decided."
        ),
    ] = None
    max_length: Annotated[
        int | None,
        Field(
            ge=FEWEST_TOKENS,
            le=MOST_TOKENS,
            description="Most tokens of a text, longer ones are cut; as many as it reads if left out.",
        ),
    ] = None
    link: Annotated[bool, Field(description="Do not copy the files of a whole model: read them where they are.")] = (
        False
    )
    backbone_to: Annotated[
        str | None,
        Field(
            description="Write the base model here with the tokens that the adapter brings; the adapter belongs to "
            "that one."
        ),
    ] = None
