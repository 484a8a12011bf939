"""What holds for each value of a settings model, whoever declares it: no truth value is a number, no bound is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic_core import PydanticCustomError, core_schema

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.yaml_text import require_characters

if TYPE_CHECKING:
    from pydantic import BaseModel

LOWER, UPPER = (Gt, Ge), (Lt, Le)
INSIDE = {"schema", "items_schema", "choices", "keys_schema", "values_schema", "fields", "steps", "definitions"}


def keep_bounds(model: type[BaseModel]) -> None:
    """Give each redeclared field of ``model`` the bounds of the field that it replaces, unless it has its own.

    ``learning_rate: float = 5e-4`` says another default; that a rate is positive still holds.
    """
    fields = model.__pydantic_fields__
    for base in reversed(model.__mro__[1:]):
        for name, info in getattr(base, "__pydantic_fields__", {}).items():
            own = fields.get(name)
            for side in (LOWER, UPPER) if own else ():
                if own and not any(isinstance(bound, side) for bound in own.metadata):
                    own.metadata += [bound for bound in info.metadata if isinstance(bound, side)]


def strict_schema(schema: Any) -> Any:
    """Return a core schema that refuses truth values as numbers and control characters in texts.

    Python counts True as 1, so that ``rank: true`` would train a LoRA of rank 1.
    """
    if isinstance(schema, list | tuple):
        return type(schema)(map(strict_schema, schema))
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if not isinstance(kind, str):  # the fields of a model, by name
        return {name: strict_schema(part) for name, part in schema.items()}
    if schema.get("function", {}).get("function") in REFUSED.values():  # a nested model: done already
        return schema
    inner: Any = {name: strict_schema(part) if name in INSIDE else part for name, part in schema.items()}
    refuse = REFUSED.get(kind)
    return core_schema.no_info_before_validator_function(refuse, inner) if refuse else inner


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "Input should be a number, not a truth value")
    return value


def _text(value: object) -> object:
    if isinstance(value, str):
        try:
            require_characters(value, "")
        except InputError as error:
            raise PydanticCustomError("text", "Input should be text without {what}", {"what": error.what}) from None
    return value


REFUSED = {"int": _number, "float": _number, "str": _text}
