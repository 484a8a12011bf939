"""The fields of a request as options of its command: type, default, bounds and help are the field's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any, Optional, get_origin

import typer

from adapter_workbench.experiments.requests.request import AskedField, asked_fields, is_required

Command = Callable[..., None]


@dataclass(frozen=True)
class Written:
    """How a field is written on a command line."""

    names: tuple[str, ...] = ()  # such as --from; made of the parameter's name if there is none
    called: str = ""  # the parameter, where it is not called as the field
    typed: Any = None  # type of what is written, where it is not the field's
    read: Callable[[Any], Any] | None = None  # from what is written to the field's value
    default: Any = None  # where the command has another one than the field
    is_argument: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)  # what typer takes besides

    def parameter(self, asked: AskedField) -> Parameter:
        """Return the parameter from which typer makes the option."""
        typed = self.typed or (str if self.read else list[str] if _is_sequence(asked) else asked.type)
        default = Parameter.empty if is_required(asked) else None if self._is_rewritten(asked) else asked.default
        default = default if self.default is None else self.default
        about: dict[str, Any] = {"help": asked.meaning, **self.about}
        if self.is_argument:
            info: Any = typer.Argument(**about)
        else:
            about |= {} if self.read else {"min": asked.least, "max": asked.most, **self.about}
            option: Callable[..., Any] = typer.Option
            info = option(*self.names, **about)
        annotation: Any = Annotated[Optional[typed] if default is None else typed, info]  # noqa: UP045 (made at run time)
        return Parameter(self.called or asked.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    def value(self, asked: AskedField, written: Any) -> Any:
        """Return the field's value."""
        if self.read:
            return self.read(written)
        return asked.default if written is None and not is_required(asked) else written

    def _is_rewritten(self, asked: AskedField) -> bool:
        return bool(self.read) or _is_sequence(asked)


def option(
    *names: str,
    called: str = "",
    typed: Any = None,
    read: Callable[[Any], Any] | None = None,
    default: Any = None,
    **about: Any,
) -> Written:
    """Return how a field is written as an option: see :class:`Written`."""
    return Written(names, called, typed, read, default, about=about)


def argument(metavar: str, typed: Any = None, **about: Any) -> Written:
    """Return how a field is written as an argument."""
    return Written(typed=typed, is_argument=True, about={"metavar": metavar, **about})


def options_of(
    model: type[Any], *, before: Mapping[str, str] | None = None, only: Sequence[str] = (), **written: Any
) -> Callable[[Command], Command]:
    """Return a decorator: the parameter of a command that is a ``model`` becomes options, one a field.

    Args:
        model: a request or bounds: a dataclass, see :class:`AskedField`.
        before: field → the command's own option that it stands before in the help, in this order; the others stand
            together.
        only: the fields that the command asks for, in the order of its help; others are as they are by default.
        written: field → how it is written: a :class:`Written`, or one of the options that commands share
            (``backbone=Backbone``).
    """
    fields = asked_fields(model)
    asked = {name: fields[name] for name in only or fields}
    shown = {name: written.get(name, Written()) for name in asked}
    parameters = {name: _parameter(asked[name], shown[name]) for name in asked}

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters
        model_parameter = next(name for name, parameter in own.items() if parameter.annotation is model)

        @wraps(command)
        def run(**given: Any) -> None:
            values = {name: given.pop(parameter.name) for name, parameter in parameters.items()}
            values = {name: _value(asked[name], shown[name], value) for name, value in values.items()}
            command(**{model_parameter: model(**values)}, **given)

        laid_out = _laid_out(own.values(), model_parameter, parameters, before or {})
        setattr(run, "__signature__", inspect.Signature(laid_out))  # noqa: B010 (a function's type does not have it)
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in laid_out}
        return run

    return decorate


def _parameter(asked: AskedField, written: Any) -> Parameter:
    if isinstance(written, Written):
        return written.parameter(asked)
    default = Parameter.empty if is_required(asked) else None if _is_sequence(asked) else asked.default
    return Parameter(asked.name, Parameter.KEYWORD_ONLY, default=default, annotation=written)


def _value(asked: AskedField, written: Any, value: Any) -> Any:
    return (written if isinstance(written, Written) else Written()).value(asked, value)


def _laid_out(
    own: Collection[Parameter], model_parameter: str, parameters: Mapping[str, Parameter], before: Mapping[str, str]
) -> list[Parameter]:
    """Return the parameters of a command in the order of its help."""
    laid_out: list[Parameter] = []
    for parameter in own:
        laid_out += [parameters[name] for name, other in before.items() if other == parameter.name]
        if parameter.name == model_parameter:
            laid_out += [asked for name, asked in parameters.items() if name not in before]
        else:
            laid_out.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
    return laid_out


def _is_sequence(asked: AskedField) -> bool:
    return get_origin(asked.type) is Sequence
