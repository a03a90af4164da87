"""Functions of numbers as objects: what ``theano.scalar`` builds elementwise functions from.

A :class:`ScalarOp` stands for an elementwise op of the registry. Called, it works on scalar
variables; ``T.Elemwise(op)`` is the same function of tensors. Result dtypes follow the registry's
rules, so that the preferences which Theano's constructors take (``upgrade_to_float``, ...) are
accepted and say nothing new.
"""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError
from phintys.scalar.dtypes import DTYPES, continuous_dtypes, upcast
from phintys.scalar.dtypes import upgrade_to_float as _float_dtype

_INFO: dict[str, dict[str, Any]] = {info["name"]: info for info in _core.elementwise_ops()}


def as_scalar(x: Any, name: str | None = None) -> Any:
    """`x` as a variable of rank 0; TypeError for other ranks."""
    from phintys.tensor.conversion import as_tensor_variable

    v = as_tensor_variable(x, name) if name is not None else as_tensor_variable(x)
    if v.ndim != 0:
        raise PhintysTypeError(f"as_scalar: {x!r} has {v.ndim} dimensions, not 0")
    return v


def constant(x: Any, name: str | None = None, dtype: Any = None) -> Any:
    """A constant of rank 0."""
    from phintys.tensor.conversion import constant as tensor_constant

    return as_scalar(tensor_constant(x, name=name, dtype=dtype))


class ScalarOp:
    """A function of numbers: an op of the registry, named in ``registry_name``, or one of your own.

    A subclass of your own defines ``impl(self, *numbers)``, and ``grad(self, inputs, grads)`` for a
    gradient, in expressions of scalars. Its `output_types_preference` is a function from the types
    of the operands to a list of those of the results, such as ``upgrade_to_float``; without one
    the result has the promotion of the operands' dtypes.
    """

    registry_name: str | None = None
    nout = 1
    _operands = -1

    def __init__(self, output_types_preference: Any = None, name: str | None = None) -> None:
        if self.registry_name is None and not hasattr(self, "impl"):
            raise PhintysTypeError(
                f"{type(self).__name__}: a scalar op of your own needs a method impl"
            )
        self.output_types_preference = output_types_preference
        self.name = name or self.registry_name or type(self).__name__

    @property
    def nin(self) -> int:
        """The number of operands; -1 if any number will do."""
        if self.registry_name is None:
            return self._operands
        return int(_INFO[self.registry_name]["arity"])

    def output_types(self, types: Any) -> list[Any]:
        """Types of the results for operands of `types`."""
        if self.output_types_preference is None:
            return upcast_out(*types) * self.nout
        found = list(self.output_types_preference(*types))
        if len(found) != self.nout:
            raise PhintysTypeError(
                f"Not the right number of outputs produced for {self}({', '.join(map(str, types))})"
                f". Expected {self.nout}, got {len(found)}."
            )
        return found

    def grad(self, inputs: Any, output_grads: Any) -> Any:
        """Gradients with respect to `inputs`, all of them scalars."""
        from phintys.gradient_ops import grad_not_implemented

        return [grad_not_implemented(self, i, x) for i, x in enumerate(inputs)]

    def L_op(self, inputs: Any, outputs: Any, output_grads: Any) -> Any:
        """The same with the outputs at hand."""
        return self.grad(inputs, output_grads)

    def __call__(self, *inputs: Any) -> Any:
        scalars = [as_scalar(x) for x in inputs]
        if self.registry_name is None:
            return _own(self)(*scalars)
        return _core.elemwise(self.registry_name, *scalars)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return False
        mine, others = self.__dict__, other.__dict__
        key = "output_types_preference"
        return self.registry_name is not None or bool(mine.get(key) == others.get(key))

    def __hash__(self) -> int:
        return hash(type(self))

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


def _own(scalar_op: Any, name: str | None = None) -> Any:
    from phintys.scalar.own import OwnElemwise

    return OwnElemwise(scalar_op, name)


class UnaryScalarOp(ScalarOp):
    """Of one operand."""

    _operands = 1


class BinaryScalarOp(ScalarOp):
    """Of two operands."""

    _operands = 2


class LogicalComparison(BinaryScalarOp):
    """A comparison; its result is bool."""


class FixedLogicalComparison(UnaryScalarOp):
    """A test of one operand; its result is bool."""


class Elemwise:
    """The function of tensors that applies `scalar_op` to each element.

    `inplace_pattern` and `nfunc_spec` are Theano's: memory is planned by Phintys itself.
    """

    def __init__(
        self,
        scalar_op: ScalarOp,
        inplace_pattern: dict[int, int] | None = None,
        name: str | None = None,
        nfunc_spec: Any = None,
    ) -> None:
        if not isinstance(scalar_op, ScalarOp):
            raise PhintysTypeError(f"Elemwise: expected a scalar op, got {scalar_op!r}")
        self.scalar_op = scalar_op
        self.inplace_pattern = dict(inplace_pattern or {})
        self.name = name or scalar_op.name
        self.nfunc_spec = nfunc_spec

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        build = getattr(self.scalar_op, "build", None)
        if build is not None:
            from phintys.tensor.conversion import as_tensor_variable

            result = build(*[as_tensor_variable(x) for x in inputs])
        elif self.scalar_op.registry_name is None:
            result = _own(self.scalar_op, self.name)(*inputs)
        else:
            result = _core.elemwise(self.scalar_op.registry_name, *inputs)
        if kwargs.get("name") is not None:
            result.name = kwargs["name"]
        return result

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Elemwise) and self.scalar_op == other.scalar_op

    def __hash__(self) -> int:
        return hash((Elemwise, self.scalar_op))

    def __repr__(self) -> str:
        return f"Elemwise{{{self.name},no_inplace}}"


# Names of Theano's classes that are not those of their functions.
_CLASS_NAMES = {
    "abs_": "Abs",
    "and_": "AND",
    "arccos": "ArcCos",
    "arccosh": "ArcCosh",
    "arcsin": "ArcSin",
    "arcsinh": "ArcSinh",
    "arctan": "ArcTan",
    "arctan2": "ArcTan2",
    "arctanh": "ArcTanh",
    "eq": "EQ",
    "erf": "Erf",
    "erfc": "Erfc",
    "erfcinv": "Erfcinv",
    "erfcx": "Erfcx",
    "erfinv": "Erfinv",
    "gamma": "Gamma",
    "gammainc": "GammaInc",
    "gammaincc": "GammaIncC",
    "gammaln": "GammaLn",
    "ge": "GE",
    "gt": "GT",
    "i0": "I0",
    "i1": "I1",
    "int_div": "IntDiv",
    "inv": "Inv",
    "invert": "Invert",
    "isinf": "IsInf",
    "isnan": "IsNan",
    "iv": "Iv",
    "j0": "J0",
    "j1": "J1",
    "jv": "Jv",
    "le": "LE",
    "lt": "LT",
    "neq": "NEQ",
    "or_": "OR",
    "psi": "Psi",
    "round_half_away_from_zero": "RoundHalfAwayFromZero",
    "round_half_to_even": "RoundHalfToEven",
    "sgn": "Sgn",
    "tri_gamma": "TriGamma",
    "true_div": "TrueDiv",
    "xor": "XOR",
}
_COMPARISONS = {"eq", "neq", "lt", "le", "gt", "ge"}
_TESTS = {"isnan", "isinf"}


def _make_class(name: str, info: dict[str, Any]) -> type[ScalarOp]:
    base: type[ScalarOp] = {1: UnaryScalarOp, 2: BinaryScalarOp}.get(int(info["arity"]), ScalarOp)
    if name in _COMPARISONS:
        base = LogicalComparison
    elif name in _TESTS:
        base = FixedLogicalComparison
    title = _CLASS_NAMES.get(name) or "".join(p.capitalize() for p in name.split("_") if p)
    return type(
        title, (base,), {"registry_name": name, "__doc__": info["summary"], "__module__": __name__}
    )


CLASSES: dict[str, type[ScalarOp]] = {
    name: _make_class(name, info) for name, info in _INFO.items() if not info.get("internal")
}
INSTANCES: dict[str, ScalarOp] = {name: cls() for name, cls in CLASSES.items()}


# --- what result types Theano's scalar ops prefer -----------------------------------------------


def _types(dtypes: list[str]) -> list[Any]:
    from phintys.tensor.type import TensorType

    return [TensorType(d, ()) for d in dtypes]


def upcast_out(*types: Any) -> list[Any]:
    """The promotion of all operands' types."""
    return _types([upcast(*[t.dtype for t in types])])


def same_out(type: Any) -> list[Any]:
    """The operand's own type."""
    return [type]


same_out_nocomplex = same_out


def real_out(type: Any) -> list[Any]:
    """The type of the real part."""
    return _types([{"complex64": "float32", "complex128": "float64"}.get(type.dtype, type.dtype)])


def int_out(*types: Any) -> list[Any]:
    """int64."""
    return _types(["int64"])


def float_out(*types: Any) -> list[Any]:
    """float64."""
    return _types(["float64"])


def upgrade_to_float(*types: Any) -> Any:
    """The floating type that functions like exp have for operands of `types`, in a list.

    For the name of a dtype: the name of that dtype.
    """
    if len(types) == 1 and isinstance(types[0], str):
        return _float_dtype(types[0])
    return _types([upcast(*[_float_dtype(t.dtype) for t in types])])


upgrade_to_float_no_complex = upgrade_to_float


def upgrade_to_float64(*types: Any) -> list[Any]:
    """float64, or float32 where all operands are that."""
    narrow = all(t.dtype == "float32" for t in types)
    return _types(["float32" if narrow else "float64"])


def scalar_types() -> dict[str, Any]:
    """The type of rank 0 of every dtype, by name."""
    return dict(zip(DTYPES, _types(list(DTYPES)), strict=True))


def is_continuous(dtype: str) -> bool:
    """Whether `dtype` is floating or complex."""
    return dtype in continuous_dtypes
