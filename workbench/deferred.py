"""What other packages import and commands hardly ever use, imported at its first use.

To import a model's class, transformers imports scikit-learn and SciPy for metrics and losses that are not ours, and
torch's compiler and its tensors over several machines for a decorator and an ``isinstance``; bitsandbytes has functions
compiled that only packed weights need. Together that takes longer than torch itself. In the modules that are named here
such a name stands for what it names until it is used: what is called while the module is imported waits too. A few
functions (:data:`CHEAPER`) are exchanged for ones that give the same without the compiler, or sooner. All of it is
written for transformers 4.57; where another version has other modules, they are imported as they always were.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial, wraps
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import MethodType, ModuleType
from typing import Any

MASKS = "torch._dynamo._trace_wrapped_higher_order_op"
SHARDED = "torch.distributed.tensor"
COMPILER = "torch._dynamo"
UNUSED: Mapping[str, Sequence[str]] = {  # module → the modules that it imports for names which are hardly ever used
    "accelerate.accelerator": (SHARDED,),
    "accelerate.utils.other": (SHARDED, "torch.distributed.fsdp.fully_sharded_data_parallel"),
    "bitsandbytes.backends.default.ops": (COMPILER,),
    "torch.optim.optimizer": (COMPILER,),
    "transformers.data.metrics": ("scipy.stats", "sklearn.metrics"),
    "transformers.generation.candidate_generator": ("sklearn.metrics",),
    "transformers.integrations.flex_attention": (COMPILER,),
    "transformers.integrations.tensor_parallel": (SHARDED,),
    "transformers.loss.loss_deformable_detr": ("scipy.optimize",),
    "transformers.loss.loss_for_object_detection": ("scipy.optimize",),
    "transformers.loss.loss_grounding_dino": ("scipy.optimize",),
    "transformers.loss.loss_rt_detr": ("scipy.optimize",),
    "transformers.masking_utils": (MASKS,),
    "transformers.model_debugging_utils": (SHARDED,),
    "transformers.modeling_utils": (SHARDED,),
}
IDLE = {(COMPILER, "graph_break")}  # do nothing where nobody compiles


class _Importing:
    """Whether a module is being imported; what it calls meanwhile is called later."""

    now = True


class _Later:
    """What a call will give; it is made when somebody asks anything of it."""

    def __init__(self, make: Callable[[], Any], importing: _Importing) -> None:
        self._make, self._importing = cache(make), importing

    def __call__(self, *given: Any, **named: Any) -> Any:
        def call() -> Any:
            return self._make()(*given, **named)

        return _Later(call, self._importing) if self._importing.now else call()

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind as a function does: it may stand for a method."""
        return self if instance is None else MethodType(self, instance)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._make(), attribute)

    def __eq__(self, other: object) -> bool:
        return bool(self._make() == other)

    def __hash__(self) -> int:
        return hash(self._make())


class _Name(_Later):
    """A function or a class of a module that is imported when the name is used."""

    def __init__(self, source: str, name: str, importing: _Importing) -> None:
        super().__init__(lambda: getattr(import_module(source), name), importing)
        self._source, self._name = source, name

    def __call__(self, *given: Any, **named: Any) -> Any:
        if (self._source, self._name) in IDLE and self._source not in sys.modules:
            return None
        return super().__call__(*given, **named)

    def __instancecheck__(self, thing: object) -> bool:
        """Return False where the module was never imported: nothing can be of a class that nobody has."""
        return self._source in sys.modules and isinstance(thing, self._make())


class _Module(ModuleType):
    """Stands for a module: each of its names is a :class:`_Name`."""

    def __init__(self, name: str, importing: _Importing) -> None:
        super().__init__(name)
        self._importing = importing

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(self.__name__, name, self._importing)


def _import_of(sources: Sequence[str], importing: _Importing) -> Callable[..., Any]:
    """Return what ``import`` does in a module that hardly ever uses ``sources``."""

    def import_(name: str, scope: Any = None, local: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if level or name not in sources or name in sys.modules:
            return builtins.__import__(name, scope, local, fromlist, level)
        if fromlist:
            return _Module(name, importing)
        above, _, last = name.rpartition(".")
        vars(import_module(above)).setdefault(last, _Module(name, importing))
        return import_module(name.partition(".")[0])

    return import_


@contextmanager
def _compiling_later(importing: _Importing) -> Iterator[None]:
    """Let what is asked of torch's compiler wait for its first use."""
    import torch

    with ExitStack() as after:
        for place, name in ((torch, "compile"), (torch.compiler, "disable")):
            _replaced(place, name, _Later(partial(_same, vars(place)[name]), importing), after)
        if COMPILER not in sys.modules:
            _replaced(torch, "_dynamo", _Module(COMPILER, importing), after)
        yield


def _same(thing: Any) -> Any:
    return thing


def _replaced(place: ModuleType, name: str, stand_in: object, after: ExitStack) -> None:
    """Put ``stand_in`` in a module, and what was there back ``after``, unless somebody has put something else there."""
    usual = vars(place).get(name)

    def put_back() -> None:
        if vars(place).get(name) is stand_in:
            vars(place).pop(name) if usual is None else setattr(place, name, usual)

    setattr(place, name, stand_in)
    after.callback(put_back)


def _undisturbed(disable: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``torch._disable_dynamo`` that imports no compiler to keep a function from it, where there is none yet."""

    def disabled(function: Callable[..., Any] | None = None, recursive: bool = True) -> Any:
        if function is None:
            return partial(disabled, recursive=recursive)
        kept_from_it = disable(function, recursive)

        @wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            return (kept_from_it if COMPILER in sys.modules else function)(*given, **named)

        return call

    return disabled


def _seldom(is_compiled: Callable[..., bool]) -> Callable[..., bool]:
    """Return whether a model is compiled; without a compiler none is."""
    return lambda model: COMPILER in sys.modules and is_compiled(model)


def _from_the_last(fetch: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """Return the reader of ``__all__``, which looks at every line of 2,800 files, for the last such line of each."""
    return lambda content: fetch(content[content.rfind("\n__all__") + 1 :])


CHEAPER: Mapping[tuple[str, str], Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    ("torch._compile", "_disable_dynamo"): _undisturbed,
    ("accelerate.utils.other", "is_compiled_module"): _seldom,
    ("accelerate.utils.other", "has_compiled_regions"): _seldom,
    ("transformers.utils.import_utils", "fetch__all__"): _from_the_last,
}
NAMED = {*UNUSED, *(module for module, _ in CHEAPER)}


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        """Run the module, with an ``import`` of its own."""
        if sources := UNUSED.get(module.__name__):
            importing = _Importing()
            vars(module)["__builtins__"] = {**vars(builtins), "__import__": _import_of(sources, importing)}
            with ExitStack() if module.__name__.startswith("torch.") else _compiling_later(importing):
                super().exec_module(module)
            importing.now = False
        else:
            super().exec_module(module)
        for (name, function), changed in CHEAPER.items():
            if name == module.__name__ and function in vars(module):  # other versions may have no such function
                vars(module)[function] = changed(vars(module)[function])


class Deferring:
    """Finds the modules that are named here before Python does."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return where such a module is; None for every other one."""
        spec = PathFinder.find_spec(name, path, target) if name in NAMED else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def defer() -> None:
    """Put the finder in place; it is for a process of this package's own, and leaves alone who imports the package."""
    if Deferring not in sys.meta_path:
        sys.meta_path.insert(0, Deferring)
