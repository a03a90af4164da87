"""Variables whose values are Python objects, and functions that hold such values.

To the compiled function a shared variable of type ``generic`` is an input: :class:`ObjectFunction`
hands the object over at each call, and stores new ones afterwards.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys.compile.io import In
from phintys.errors import PhintysTypeError
from phintys.tensor.sharedvar import _constructors, _ContainerView
from phintys.tensor.type import Generic, generic

__all__ = ["GenericSharedVariable", "GenericVariable", "ObjectFunction", "make_function"]


class GenericVariable(_core.Variable):
    """A variable whose value is some Python object; see :class:`phintys.generic`."""

    def clone(self, name: str | None = None) -> Any:
        """A new variable of this type."""
        return generic(self.name if name is None else name)


class GenericSharedVariable(GenericVariable):
    """An object that functions hand to ops written in Python; made by :func:`phintys.shared`."""

    # No graph needs a look for such variables before there is one.
    any_made = False
    default_update: Any

    def __init__(
        self,
        name: str | None = None,
        type: Any = generic,
        value: Any = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
        container: Any = None,
    ) -> None:
        super().__init__(type, name=name)
        self._value = type.filter(value)
        GenericSharedVariable.any_made = True

    @property
    def is_shared(self) -> bool:
        """True."""
        return True

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """A deep copy of the object, or (`borrow`) the object itself."""
        return self._value if borrow else copy.deepcopy(self._value)

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Replaces the object by a deep copy of another, or (`borrow`) by that itself."""
        new_value = self.type.filter(new_value)
        self._value = new_value if borrow else copy.deepcopy(new_value)

    @property
    def container(self) -> _ContainerView:
        """Theano's view of the value."""
        return _ContainerView(self)

    def clone(self, name: str | None = None) -> Any:
        """A shared variable of its own with a deep copy of the object."""
        return type(self)(name=self.name if name is None else name, value=self.get_value())

    def filter_update(self, update: Any) -> Any:
        """`update` as a variable that may become the new value."""
        return self.type.filter_variable(update)

    def __copy__(self) -> Any:
        return self.clone()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        memo[id(self)] = result = self.clone()
        return result

    def __reduce__(self) -> Any:
        state = {k: v for k, v in self.__dict__.items() if k != "_value"}
        return _rebuild, (type(self), self.name, self._value), state or None


def _rebuild(cls: Any, name: str | None, value: Any) -> Any:
    return cls(name=name, value=value)


Generic.Variable = GenericVariable
Generic.SharedVariable = GenericSharedVariable
_core.set_classes(generic=GenericVariable)


def generic_constructor(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    **kwargs: Any,
) -> Any:
    """A shared variable for any object: what no other constructor wants."""
    if kwargs:
        raise TypeError()
    return GenericSharedVariable(name=name, value=value)


_constructors.insert(0, generic_constructor)  # the last to be asked


# --- functions ------------------------------------------------------------------------------------


def _held(roots: Sequence[Any], blockers: Sequence[Any]) -> list[GenericSharedVariable]:
    """The shared objects that the graph of `roots` reads."""
    if not GenericSharedVariable.any_made:
        return []
    leaves = _core.graph_inputs(list(roots), list(blockers))
    return [v for v in leaves if isinstance(v, GenericSharedVariable)]


def make_function(build: Any) -> Any:
    """The function for a build, which may use shared variables whose values are objects."""
    stored = {v: e for v, e in build.updates.items() if isinstance(v, GenericSharedVariable)}
    updates = {v: e for v, e in build.updates.items() if v not in stored}
    roots = build.outputs + list(build.updates.values())
    roots += [i.update for i in build.inputs if i.update is not None]
    replaced = [original for original, _ in build.givens]
    blockers = [i.variable for i in build.inputs] + replaced
    held = _held(roots + [new for _, new in build.givens], blockers)
    if not held and not stored:
        return build.mode.make_function(build)
    inner = build.changed(
        inputs=build.inputs + [In(v, name=_key(k)) for k, v in enumerate(held)],
        outputs=build.outputs + list(stored.values()),
        output_mode="list",
        keys=[],
        updates=updates,
    )
    form = (len(build.outputs), build.output_mode, list(build.keys))
    return ObjectFunction(inner.mode.make_function(inner), held, list(stored), form)


def _key(k: int) -> str:
    return f"<object {k}>"


class ObjectFunction:
    """A compiled function that uses shared variables whose values are Python objects.

    Called as any other. ``inner`` is the function that takes the objects as arguments and returns
    new ones; other attributes are those of ``inner``. It can be copied and, if its objects can,
    pickled, but not saved: a file holds data only.
    """

    def __init__(
        self,
        inner: Any,
        held: list[GenericSharedVariable],
        stored: list[GenericSharedVariable],
        form: tuple[int, str, list[str]],
    ) -> None:
        self.inner = inner
        self._held = held
        self._stored = stored
        self._form = form

    def __call__(self, *args: Any, output_subset: Any = None, **kwargs: Any) -> Any:
        return self._packed(self.inner, args, kwargs, output_subset)

    def call(self, *args: Any, output_subset: Any = None, **kwargs: Any) -> Any:
        """A call that may be stopped; see ``Function.call``."""
        return self._packed(self.inner.call, args, kwargs, output_subset)

    def _packed(self, inner: Any, args: Any, kwargs: dict[str, Any], subset: Any) -> Any:
        kwargs.update({_key(k): v.get_value(borrow=True) for k, v in enumerate(self._held)})
        results = inner(*args, **kwargs)
        count, mode, keys = self._form
        for variable, value in zip(self._stored, results[count:], strict=False):
            variable.set_value(value, borrow=True)
        results = results[:count]
        if mode == "dict":
            chosen = keys if subset is None else subset
            return {key: results[keys.index(key)] for key in chosen}
        if subset is not None:
            return [results[k] for k in subset]
        return results[0] if mode == "single" else results

    def __getattr__(self, name: str) -> Any:
        if name == "inner" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def get_shared(self) -> list[Any]:
        """The shared variables that the function reads or updates."""
        others = [v for v in self._stored if v not in self._held]
        return [*self.inner.get_shared(), *self._held, *others]

    def _object(self, key: Any) -> Any:
        for v in self.get_shared():
            named = isinstance(key, str) and v.name == key
            if isinstance(v, GenericSharedVariable) and (v is key or named):
                return v
        return None

    def __getitem__(self, key: Any) -> Any:
        found = self._object(key)
        return self.inner[key] if found is None else found.get_value()

    def __setitem__(self, key: Any, value: Any) -> None:
        found = self._object(key)
        if found is None:
            self.inner[key] = value
        else:
            found.set_value(value)

    def __contains__(self, key: Any) -> bool:
        return self._object(key) is not None or key in self.inner

    def save(self, path: Any) -> None:
        """Not possible: raises TypeError."""
        names = ", ".join(str(v) for v in [*self._held, *self._stored])
        raise PhintysTypeError(
            f"The function uses shared variables that hold Python objects ({names}): no file can "
            "hold those. Make them inputs, or save the function without them."
        )

    def copy(self, **options: Any) -> Any:
        """A function of its own; see ``Function.copy``."""
        swap = dict(options.get("swap") or {})
        objects = {self._object(old): swap.pop(old) for old in list(swap) if self._object(old)}
        for old, new in objects.items():
            if not isinstance(new, GenericSharedVariable):
                raise PhintysTypeError(f"swap: {old} holds an object, {new} does not")
        kept = not options.get("delete_updates")
        stored = [objects.get(v, v) for v in self._stored]
        inner = self.inner.copy(**{**options, "swap": swap})
        return ObjectFunction(
            inner,
            [objects.get(v, v) for v in self._held],
            stored if kept else [],
            self._form,
        )

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        parts = copy.deepcopy((self.inner, self._held, self._stored, self._form), memo)
        memo[id(self)] = result = ObjectFunction(*parts)
        return result

    def __reduce__(self) -> Any:
        return ObjectFunction, (self.inner, self._held, self._stored, self._form)

    def __repr__(self) -> str:
        return f"<Function {self.inner.name}>"
