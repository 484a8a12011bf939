"""Fields that several requests have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

Task = Annotated[str, Field(description="Name of a task; see `workbench tasks list`.")]
Method = Annotated[str, Field(description="Name of a method; see `workbench methods list`.")]
Backbone = Annotated[str, Field(description="Registered name, hub id or folder.")]
Adapter = Annotated[str, Field(description="An adapter's id, its beginning, its short id, or the name of a task.")]
Assignments = Annotated[Sequence[str], Field(description="Change a setting; may be given several times.")]
