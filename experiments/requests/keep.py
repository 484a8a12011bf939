"""What `workbench keep` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from adapter_workbench.experiments.requests.request import Request
from adapter_workbench.workbench.errors import InputError, UnknownNameError

READS_ROWS = {"ewc": True, "l2-to-start": False, "a-gem": True, "o-lora": False}  # remedy → whether it needs rows
MOST_ROWS = {"ewc": 100, "a-gem": 200}  # as EWC() and AGEM() have them
LONGEST = 512  # tokens of a row, where the model can read as many
SEED = 0


@dataclass(frozen=True)
class KeepRequest(Request):
    """Of which model something is kept, for which remedy, and on which rows."""

    base: Annotated[
        str,
        Field(
            description="Registered name, hub id or folder: a language model, a checkpoint of a Trainer, or an adapter "
            "of peft."
        ),
    ] = ""
    remedy: Annotated[str, Field(description="ewc, l2-to-start, a-gem or o-lora.")] = "ewc"
    rows: Annotated[
        Path | None,
        Field(
            description="Rows of what the model has learned (JSONL, CSV, Parquet, …): `text`, `prompt` and "
            "`completion`, `messages`, or `input_ids` and `labels`."
        ),
    ] = None
    write: Annotated[
        int | None,
        Field(ge=1, le=100_000, description="In place of rows: so many texts that the model writes itself."),
    ] = None
    backbone: Annotated[str | None, Field(description="The base model of an adapter.")] = None
    state: Annotated[
        Path | None, Field(description="The `forgetting-state` of the tasks before, to which this one is added.")
    ] = None
    max_rows: Annotated[int | None, Field(ge=1, le=1_000_000, description="The most rows that are read, or kept.")] = (
        None
    )
    max_length: Annotated[
        int | None, Field(ge=2, le=1_000_000, description="Tokens of a row; longer ones are cut.")
    ] = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="Draws the rows, or the texts.")] = SEED

    @property
    def most_rows(self) -> int:
        """How many rows are read or kept."""
        return self.max_rows or self.write or MOST_ROWS.get(self.remedy, 0)

    def require_consistent(self) -> None:
        """Make sure that what is given goes together.

        Raises:
            UnknownNameError: there is no such remedy.
            InputError: the model or rows are missing, or the remedy reads none.
        """
        if not self.base:
            hint = "Name the model: workbench keep BASE_OR_CHECKPOINT --rows FILE --out forgetting-state"
            raise InputError("workbench keep needs a BASE_OR_CHECKPOINT", hint=hint)
        if self.remedy not in READS_ROWS:
            raise UnknownNameError("remedy that keeps something", self.remedy, READS_ROWS, "--for")
        given = {
            "--rows": self.rows,
            "--write": self.write,
            "--max-rows": self.max_rows,
            "--max-length": self.max_length,
        }
        named = [name for name, value in given.items() if value is not None]
        if self.remedy == "o-lora" and self.backbone is not None:
            raise InputError("--backbone has no meaning here: o-lora reads the LoRA alone", hint="Leave it out.")
        if not READS_ROWS[self.remedy]:
            if named:
                message = f"{named[0]} has no meaning here: {self.remedy} reads no rows"
                raise InputError(message, where="--for", hint=f"Leave {named[0]} out, or keep for ewc or a-gem.")
            return
        if self.rows is None and self.write is None:
            hint = "Give a file: --rows old.jsonl. Where there is none any more: --write 100."
            raise InputError(f"{self.remedy} needs rows of what the model has learned", where="--for", hint=hint)
        if self.rows is not None and self.write is not None:
            raise InputError("--write cannot be combined with --rows", hint="Leave one out.")
