"""What takes long to import and is hardly ever used, put off until something uses it.

peft imports bitsandbytes, which sets up a compiler. transformers imports parts of scikit-learn and SciPy for a few
functions that are called nowhere here, and torch's compiler for attention that nobody asked for and for masks of padded
texts of language models. Together they take half of the time until a model can be opened. Each gets a stand-in:
whatever is asked of it comes from the package itself, which is imported then. So where a stand-in is asked for more
than was expected, a start is slower, and nothing else changes.

transformers has one function marked for torch's compiler (``torch._dynamo.allow_in_graph``). Asking for the mark would
load the compiler, some 800 modules, for people who compile nothing. Whoever does compile loads it, and the mark is set.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar

PUT_OFF: Mapping[str, tuple[str, ...]] = {  # module → what is imported from it by name, and only called
    "bitsandbytes": (),
    "sklearn.metrics": ("roc_curve", "f1_score", "matthews_corrcoef"),
    "scipy.optimize": ("linear_sum_assignment",),
    "scipy.stats": ("pearsonr", "spearmanr"),
    "torch._dynamo._trace_wrapped_higher_order_op": ("TransformGetItemToIndex",),
    "transformers.integrations.flex_attention": ("flex_attention_forward", "make_flex_block_causal_mask"),
}
BY_NAME = {"__path__", "__version__", "__all__"}  # these are asked for where the module itself is meant
Marked = TypeVar("Marked")


class StandIn(ModuleType):
    """A module of which nothing is imported until an attribute is asked for."""

    def __init__(self, name: str, functions: tuple[str, ...]) -> None:
        """Stand in for the module ``name``; its ``functions`` are put off once more, until they are called."""
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # so that whoever asks whether the module is there finds it
        self.__dict__.update({function: _later(name, function) for function in functions})

    def __getattr__(self, attribute: str) -> Any:
        """Return an attribute of the module itself.

        What Python looks up in every module that is loaded (``inspect`` wants the files of all) is not there.
        """
        part_of_a_package = "." in self.__name__ and attribute == "__path__"  # asked by `from sklearn.metrics import …`
        if part_of_a_package or (attribute.startswith("__") and attribute not in BY_NAME):
            raise AttributeError(attribute)
        return getattr(_itself(self.__name__), attribute)


@cache
def import_models() -> None:
    """Import torch, transformers' models and peft, without what nearly nobody needs of them.

    Whoever imports them before, or otherwise, gets the same and waits longer.
    """
    with without_collection(), marked_later("torch", "_dynamo", "allow_in_graph"), put_off(PUT_OFF):
        for module in ("peft", "transformers.data.data_collator", "transformers.generation.utils"):
            import_module(module)


@contextmanager
def put_off(modules: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
    """Let stand-ins be imported in place of ``modules`` while the block runs, where they are installed and not loaded.

    Args:
        modules: name → functions of it that are only ever called.
    """
    absent = [name for name in modules if name not in sys.modules and find_spec(name.partition(".")[0])]
    stand_ins = {name: StandIn(name, modules[name]) for name in absent}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


@contextmanager
def without_collection() -> Iterator[None]:
    """Collect no garbage while modules are imported: they stay, and looking through them takes a fifth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


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


def _itself(name: str) -> ModuleType:
    if isinstance(sys.modules.get(name), StandIn):
        del sys.modules[name]
    return import_module(name)


def _later(module: str, name: str) -> Callable[..., Any]:
    def later(*arguments: Any, **options: Any) -> Any:
        return getattr(_itself(module), name)(*arguments, **options)

    return later


def _followed_by(spec: ModuleSpec, then: Any) -> ModuleSpec:
    loader: Any = spec.loader
    execute = loader.exec_module

    def execute_then(module: ModuleType) -> None:
        execute(module)
        then(module)

    loader.exec_module = execute_then
    return spec
