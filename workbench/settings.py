"""YAML into typed, frozen models: unknown keys refused, all errors of a file in one message, with their lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench import processes
from workbench.errors import InputError, Problem, SettingsError, suggest

Key = tuple[str | int, ...]
Quantization = Literal["nf4", "int8"]
Optimizer = Literal["adamw", "adamw-8bit", "paged-adamw-8bit"]


class Settings(BaseModel):
    """Base of everything that is read from a file or a command line: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SettingsT = TypeVar("SettingsT", bound=BaseModel)


def unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``values``; for a field whose entries have to differ. Raises ValueError where one comes twice."""
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"named more than once: {', '.join(twice)}")
    return values


class Budget(Settings):
    """What one fit may spend; the same for every strategy of a recipe."""

    train_examples: int | None = Field(None, ge=1, description="training examples, drawn with the seed; all if null")
    eval_examples: int | None = Field(None, ge=1, description="test and validation examples; all if null")
    validation_examples: int | None = Field(
        None, ge=1, description="validation examples, drawn with the seed; as eval_examples if null"
    )
    epochs: int = Field(3, ge=1, description="passes over the training examples")
    batch_size: int = Field(16, ge=1, description="examples in one forward pass")
    gradient_accumulation: int = Field(1, ge=1, description="forward passes in one optimiser step")
    max_length: int = Field(128, ge=4, description="tokens; longer texts are cut")
    patience: int | None = Field(None, ge=1, description="stop after so many epochs without a better validation score")
    balanced: bool = Field(False, description="draw training examples so that each class comes equally often")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where it is the faster one")
    quantization: Quantization | None = Field(
        None,
        description="keep the backbone's linear layers in so many bits",
        exclude_if=lambda chosen: chosen is None,  # keys of what was trained before this was there stay as they are
    )

    def drawn(self, examples: int) -> int:
        """Return how many of a split's training examples a fit sees."""
        return min(examples, self.train_examples or examples)

    def updates(self, examples: int) -> int:
        """Return the optimiser steps that a fit takes that sees so many, unless patience ends it."""
        batches = math.ceil(math.ceil(examples / self.batch_size) / processes.count())
        return math.ceil(batches / self.gradient_accumulation) * self.epochs


class MethodSettings(Settings):
    """What every fine-tuning method takes; a method's own settings extend these."""

    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    warmup: float = Field(0.1, ge=0, le=1, description="share of the steps in which the learning rate rises")
    optimizer: Optimizer = Field(
        "adamw",
        description="8 bits: of AdamW's two moments (Dettmers et al. 2022, arXiv:2110.02861)",
        exclude_if=lambda chosen: chosen == "adamw",
    )

    @property
    def virtual_tokens(self) -> int:
        """How many of the model's positions the method takes before each text."""
        return 0


@dataclass(frozen=True)
class Document:
    """A parsed YAML file that still knows where each key stands.

    Attributes:
        data: the parsed content, a mapping.
        origin: what to call it in messages (a path, or ``command line``).
        lines: line number (from 1) of each key path.
        overrides: key paths that came from ``--set``.
    """

    data: dict[str, Any]
    origin: str
    lines: Mapping[Key, int] = field(default_factory=dict)
    overrides: Mapping[Key, str] = field(default_factory=dict)

    def where(self, *key: str | int) -> str:
        """Return ``file, line N`` (or ``--set key=value``) for a key path, or for the nearest path above it."""
        for depth in range(len(key), 0, -1):
            prefix = key[:depth]
            if prefix in self.overrides:
                return f"--set {self.overrides[prefix]}"
            if prefix in self.lines:
                return f"{self.origin}, line {self.lines[prefix]}"
        return self.origin

    def set(self, assignments: Iterable[str]) -> Document:
        """Return a copy with ``a.b=value`` assignments applied; a value is read as YAML.

        Raises:
            InputError: an assignment without ``=``, or one that goes through something that is not a mapping.
        """
        data, overrides = _copy(self.data), dict(self.overrides)
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            if not equals or not name:
                raise InputError(f"expected key=value, got {assignment!r}", where="--set")
            *parents, last = name.split(".")
            place = data
            for parent in parents:
                place = place.setdefault(parent, {})
                if not isinstance(place, dict):
                    raise InputError(f"{parent!r} holds a value, not settings", where=f"--set {assignment}")
            place[last] = _value(assignment, text)
            overrides[tuple(name.split("."))] = assignment
        return Document(data, self.origin, self.lines, overrides)

    def parse(self, model: type[SettingsT]) -> SettingsT:
        """Return the document as ``model``.

        Raises:
            SettingsError: everything that does not fit, each with its line and, for a key, the nearest known key.
        """
        return self.parse_part((), self.data, model)

    def parse_parts(self, *parts: tuple[Key, object, type[BaseModel]]) -> list[Any]:
        """Return several parts (key, data, model) as their models, in order; raises one error for all of them."""
        parsed: list[Any] = []
        problems: list[Problem] = []
        for key, data, model in parts:
            try:
                parsed.append(self.parse_part(key, data, model))
            except SettingsError as error:
                problems += error.problems
        if problems:
            raise SettingsError(problems)
        return parsed

    def parse_part(self, key: Key, data: object, model: type[SettingsT]) -> SettingsT:
        """Return ``data``, which stands at ``key`` of this document, as ``model``; raises as :meth:`parse`."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            raise SettingsError(self._problem(key, model, detail) for detail in error.errors()) from None

    def _problem(self, key: Key, model: type[BaseModel], detail: Any) -> Problem:
        inner = tuple(detail["loc"])
        place = (*key, *inner)
        name = ".".join(str(part) for part in place) or "the file"
        if detail["type"] == "extra_forbidden":
            return Problem(f"unknown key {name!r}", self.where(*place), suggest(str(inner[-1]), _keys(model, inner)))
        if detail["type"] == "missing":
            return Problem(f"{name!r} is missing", self.where(*place[:-1]))
        given = f" (got {detail['input']!r})" if not isinstance(detail["input"], dict | list) else ""
        return Problem(f"{name!r}: {detail['msg'].removeprefix('Value error, ')}{given}", self.where(*place))


def read(path: Path) -> Document:
    """Return the YAML mapping in ``path``.

    Raises:
        InputError: no such file, not YAML, not a mapping, or a key that stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read this file: {error}", where=str(path)) from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
        places = list(_lines(node))
    except RecursionError:
        raise InputError("a part of this file holds itself", where=str(path)) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise InputError(f"not YAML: {getattr(error, 'problem', error)}", where=place) from None
    if not isinstance(data, dict):
        raise InputError("expected a mapping of keys to values", where=str(path))
    lines: dict[Key, int] = {}
    for key, line in places:
        if key in lines:
            name, first = ".".join(map(str, key)), lines[key]
            raise InputError(f"{name!r} stands twice, first on line {first}", where=f"{path}, line {line}")
        lines[key] = line
    return Document(data, str(path), lines)


def _value(assignment: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"not YAML: {getattr(error, 'problem', error)}", where=f"--set {assignment}") from None


def _lines(node: yaml.Node | None, key: Key = ()) -> Iterable[tuple[Key, int]]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            place = (*key, name.value)
            yield place, name.start_mark.line + 1
            yield from _lines(value, place)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*key, index), value.start_mark.line + 1
            yield from _lines(value, (*key, index))


def _keys(model: type[BaseModel], inner: Sequence[str | int]) -> list[str]:
    """Return the field names of the model that holds the last part of ``inner``."""
    holder: Any = model
    for part in inner[:-1]:
        fields = getattr(holder, "model_fields", {})
        annotation = fields[part].annotation if part in fields else holder
        inside = [annotation, *getattr(annotation, "__args__", ())]
        holder = next((one for one in inside if hasattr(one, "model_fields")), annotation)
    return [info.alias or name for name, info in getattr(holder, "model_fields", {}).items()]


def _copy(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _copy(value) for name, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data
