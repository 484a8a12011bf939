"""Marks on functions that are set when the module that sets them is loaded, and not before.

transformers has one function marked for torch's compiler (``torch._dynamo.allow_in_graph``). Asking for the mark would
load the compiler, some 800 modules, for people who compile nothing. Whoever does compile loads it, and the mark is set.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar

Marked = TypeVar("Marked")


class LateMarks(ModuleType):
    """Looks like the module ``name`` where it is an attribute of its package, and is no module that can be imported.

    What is given to its function ``mark`` comes back as it is, and is kept for later. Any other attribute is the
    module's own, which is imported for it.
    """

    def __init__(self, name: str, mark: str) -> None:
        """Stand for the module ``name``, whose function ``mark`` returns what it is given."""
        super().__init__(name)
        self._mark, self._marked = mark, list[Any]()
        self.__dict__[mark] = self._note

    def __getattr__(self, attribute: str) -> Any:
        """Return an attribute of the module itself."""
        if attribute.startswith("__"):  # what Python looks up in every module that is loaded
            raise AttributeError(attribute)
        return getattr(import_module(self.__name__), attribute)

    def set_on(self, module: ModuleType) -> None:
        """Give what was marked to the function of the ``module`` itself."""
        for function in self._marked:
            getattr(module, self._mark)(function)

    def _note(self, function: Marked) -> Marked:
        self._marked.append(function)
        return function


class MarkingFinder:
    """Finds one module, once: its import ends by setting the marks."""

    def __init__(self, marks: LateMarks) -> None:
        """Find the module that ``marks`` stand for."""
        self._marks = marks

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """Return where the module is; None for others."""
        if name != self._marks.__name__:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        return _followed_by(spec, self._marks.set_on) if spec and spec.loader else spec


@contextmanager
def marked_later(package: str, child: str, mark: str) -> Iterator[None]:
    """Let ``package.child.mark`` return what it is given while the block runs, and set the marks when it is loaded.

    Nothing happens where the module ``package.child`` is loaded already, or is not there.
    """
    parent, name = import_module(package), f"{package}.{child}"
    if name in sys.modules or find_spec(name) is None:
        yield
        return
    marks = LateMarks(name, mark)
    sys.meta_path.insert(0, MarkingFinder(marks))
    setattr(parent, child, marks)
    try:
        yield
    finally:
        if vars(parent).get(child) is marks:  # nobody has imported the module itself
            delattr(parent, child)


def _followed_by(spec: ModuleSpec, then: Any) -> ModuleSpec:
    loader: Any = spec.loader
    execute = loader.exec_module

    def execute_then(module: ModuleType) -> None:
        execute(module)
        then(module)

    loader.exec_module = execute_then
    return spec
