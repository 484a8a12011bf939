"""What all requests share: fields that say bounds and meaning once, and methods that are called with these fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from inspect import Parameter, signature
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from adapter_workbench.workbench.errors import Problem, SettingsError

Given = ParamSpec("Given")
Owner = TypeVar("Owner")
Asked = TypeVar("Asked")
Result = TypeVar("Result")


@dataclass(frozen=True)
class AskedField:
    """One field of a request, or of bounds: ``name: Annotated[int, Field(ge=0, description="…")] = 3``."""

    name: str
    type: Any  # without None, and without what is annotated to it
    default: Any  # MISSING where it has to be given
    meaning: str
    least: float | None = None
    most: float | None = None

    def problem(self, value: object) -> Problem | None:
        """Return what is wrong with a value that is not within the bounds; else None."""
        if value is None or (self.least is None and self.most is None) or self._is_within(value):
            return None
        kind = "a whole number" if self.type is int else "a number"
        bounds = f"from {self.least:,}" if self.most is None else f"from {self.least:,} to {self.most:,}"
        return Problem(f"this is {kind} {bounds}, not {value!r}", f"--{self.name.replace('_', '-')}")

    def _is_within(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.type is int else int | float):
            return False
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


@dataclass(frozen=True)
class Request:
    """What one command is asked for.

    Raises:
        SettingsError: numbers that are not within their bounds, all in one message.
    """

    def __post_init__(self) -> None:
        """Refuse what is not within the bounds."""
        asked = asked_fields(type(self))
        if problems := [problem for name, field in asked.items() if (problem := field.problem(getattr(self, name)))]:
            raise SettingsError(problems)

    @property
    def given(self) -> dict[str, Any]:
        """The fields by name, for what :func:`taking` makes."""
        return {**vars(self)}


def asked_fields(model: type[Any]) -> MappingProxyType[str, AskedField]:
    """Return the fields of a dataclass by name, in order."""
    hints = get_type_hints(model, include_extras=True)
    return MappingProxyType(
        {field.name: _asked(field.name, hints[field.name], field.default) for field in fields(model)}
    )


def meaning(annotation: Any) -> str:
    """Return what a field's annotation says that it means."""
    return _asked("", annotation, MISSING).meaning


def _asked(name: str, annotation: Any, default: Any) -> AskedField:
    notes: list[Any] = []
    plain = _plain(annotation, notes)
    bounds = [bound for note in notes if isinstance(note, FieldInfo) for bound in note.metadata]
    meaning = next((note.description for note in notes if isinstance(note, FieldInfo) and note.description), "")
    least = next((bound.ge for bound in bounds if hasattr(bound, "ge")), None)
    most = next((bound.le for bound in bounds if hasattr(bound, "le")), None)
    return AskedField(name, plain, default, meaning, least, most)


def _plain(annotation: Any, notes: list[Any]) -> Any:
    """Return a type without None and without what is annotated to it, which is added to ``notes``."""
    if get_origin(annotation) is Annotated:
        inner, *own = get_args(annotation)
        notes += own
        return _plain(inner, notes)
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return _plain(parts[0], notes) if len(parts) == 1 else annotation
    return annotation


def taking(
    request: Callable[Given, Asked],
) -> Callable[[Callable[[Owner, Asked], Result]], Callable[Concatenate[Owner, Given], Result]]:
    """Return a decorator of a method that takes a request: whoever calls it gives the request's fields in its place."""

    def decorate(method: Callable[[Owner, Asked], Result]) -> Callable[Concatenate[Owner, Given], Result]:
        @wraps(method)
        def called(self: Owner, /, *args: Given.args, **by_name: Given.kwargs) -> Result:
            return method(self, request(*args, **by_name))

        own = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
        shown = signature(method).replace(parameters=[own, *signature(request).parameters.values()])
        setattr(called, "__signature__", shown)  # noqa: B010 (a function's type does not have it)
        return called

    return decorate


def is_required(field: AskedField) -> bool:
    """Return whether a field has to be given."""
    return field.default is MISSING
