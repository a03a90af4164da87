"""``theano.gof.params_type``: parameters of ops as one object, for ``Op.params_type``."""

from __future__ import annotations

from typing import Any

from phintys.errors import PhintysTypeError

__all__ = ["EnumList", "EnumType", "Params", "ParamsType"]


class Params(dict[str, Any]):
    """Values by name, read as attributes: ``params.alpha``."""

    def __init__(self, params_type: Any, **values: Any) -> None:
        missing = [name for name in params_type.fields if name not in values]
        if missing:
            raise PhintysTypeError(f"Params: values are missing for {', '.join(missing)}")
        super().__init__({name: values[name] for name in params_type.fields})
        self.__dict__["__params_type__"] = params_type

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"Params: attribute {name!r} does not exist")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("Params is immutable")

    def __repr__(self) -> str:
        return f"Params({', '.join(f'{k}:{v!r}' for k, v in self.items())})"


class ParamsType:
    """The type of :class:`Params`: a type for each name, ``ParamsType(alpha=float64, n=int64)``."""

    def __init__(self, **kwargs: Any) -> None:
        if not kwargs:
            raise PhintysTypeError("ParamsType: at least one field is needed")
        for name, kind in kwargs.items():
            if not hasattr(kind, "filter"):
                raise PhintysTypeError(f"ParamsType: {name} needs a type, not {kind!r}")
        self.fields = tuple(sorted(kwargs))
        self.types = tuple(kwargs[name] for name in self.fields)
        self.length = len(self.fields)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ParamsType)
            and self.fields == other.fields
            and self.types == other.types
        )

    def __hash__(self) -> int:
        return hash((ParamsType, self.fields, self.types))

    def __repr__(self) -> str:
        pairs = zip(self.fields, self.types, strict=True)
        return f"ParamsType<{', '.join(f'{name}:{kind}' for name, kind in pairs)}>"

    def get_params(self, *objects: Any, **kwargs: Any) -> Params:
        """Values given by name, or else attributes of the first object that has one."""
        values = dict(kwargs)
        for name in self.fields:
            for source in objects:
                if name in values:
                    break
                if hasattr(source, name):
                    values[name] = getattr(source, name)
        return self.filter(Params(self, **values), allow_downcast=True)

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Params:
        """`data` with each value as its type has it."""
        if not isinstance(data, Params):
            raise PhintysTypeError(f"{self}: Params are needed, not {data!r}")
        return Params(
            self,
            **{
                name: kind.filter(data[name], strict, allow_downcast)
                for name, kind in zip(self.fields, self.types, strict=True)
            },
        )


class EnumType:
    """The type of a choice between named constants: ``EnumType(LEFT=1, RIGHT=2)``.

    Constants are attributes; a value or a name of one passes :meth:`filter`.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.constants = dict(kwargs)

    def __getattr__(self, name: str) -> Any:
        constants = self.__dict__.get("constants", {})
        if name in constants:
            return constants[name]
        raise AttributeError(f"{type(self).__name__} has no constant {name!r}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.constants == other.constants

    def __hash__(self) -> int:
        return hash((type(self), tuple(sorted(self.constants.items()))))

    def __repr__(self) -> str:
        items = ", ".join(f"{k}:{v}" for k, v in sorted(self.constants.items()))
        return f"{type(self).__name__}<{items}>"

    def fromalias(self, alias: str) -> Any:
        """The value of a name."""
        return getattr(self, alias)

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """`data` if it is one of the constants; of a name, the constant; else TypeError."""
        if isinstance(data, str) and not strict and data in self.constants:
            return self.constants[data]
        if data not in self.constants.values():
            raise PhintysTypeError(f"{self}: {data!r} is no value of these")
        return data


class EnumList(EnumType):
    """Constants with the values 0, 1, ...: ``EnumList('LEFT', 'RIGHT')``."""

    def __init__(self, *args: str) -> None:
        super().__init__(**{name: i for i, name in enumerate(args)})
