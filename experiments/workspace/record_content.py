"""What stands in the record of a stream, as far as others rely on it: read with care, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from workbench import sealed
from workbench.errors import IntegrityError


class _Step(BaseModel):
    key: str
    label: str
    outcome: str
    seed: int
    stage: int
    order: int = 0


class _Contender(BaseModel):
    label: str
    strategy: str
    method: str


class _Content(BaseModel):
    budget: dict[str, Any]
    contenders: list[_Contender]
    steps: list[_Step]


def record_content(path: Path) -> dict[str, Any] | None:
    """Return what stands in the record of a stream; None where there is none.

    Raises:
        IntegrityError: it is damaged, or something else.
        PermissionError: it may not be read.
    """
    content = sealed.read(sealed.CONTENT, path)
    if content is None:
        return None
    try:
        needed = _Content.model_validate(content)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise _no_record(path, f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    strange = {step.label for step in needed.steps} - {contender.label for contender in needed.contenders}
    if strange:
        raise _no_record(path, f"steps of {', '.join(sorted(strange))}, which is none of its strategies")
    return content


def _no_record(path: Path, why: str) -> IntegrityError:
    return IntegrityError(f"damaged: this is no record of an experiment ({why})", where=str(path))
