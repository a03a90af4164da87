"""Variables: what a tensor in an expression offers.

A variable is a handle on a node of the C++ graph. Arithmetic and comparison operators come from
``_core.Variable``; this module adds NumPy's methods, each a call of the function of the same name
in :mod:`phintys.tensor`.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import phintys as _phintys
from phintys import _core
from phintys.errors import AsTensorError, PhintysTypeError
from phintys.tensor import numpy_protocol

__all__ = [
    "Constant",
    "TensorConstant",
    "TensorConstantSignature",
    "TensorVariable",
    "Variable",
]

Variable = _core.Variable


def _tensor() -> Any:
    # Looked up at the time of the call: phintys.tensor imports this module.
    return _phintys.tensor


_auto_names = itertools.count()


class Scratchpad:
    """A bag of attributes: ``variable.tag``."""

    def __repr__(self) -> str:
        return f"scratchpad({self.__dict__})"

    def info(self) -> None:
        """Prints the attributes."""
        for name, value in self.__dict__.items():
            print(f"{name}: {value}")


class ComputedScratchpad(Scratchpad):
    """The bag of a variable that an expression computes.

    ``tag.test_value``, if nobody has set it, is computed from the test values of the inputs when
    it is asked for, unless ``config.compute_test_value`` is ``'off'``; while it is not, also as
    soon as an expression is built.
    """

    def __init__(self, variable: Any) -> None:
        self.__dict__["_variable"] = weakref.ref(variable)

    def __getattr__(self, name: str) -> Any:
        variable = self.__dict__.get("_variable", lambda: None)()
        if name != "test_value" or variable is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        from phintys.tensor.test_values import computed_test_value

        value = computed_test_value(variable)
        self.__dict__["test_value"] = value
        return value

    def __repr__(self) -> str:
        return f"scratchpad({_own_tags(self)})"

    def info(self) -> None:
        """Prints the attributes."""
        for name, value in _own_tags(self).items():
            print(f"{name}: {value}")

    def __reduce__(self) -> Any:
        return Scratchpad, (), _own_tags(self)


def _own_tags(tag: Any) -> dict[str, Any]:
    return {k: v for k, v in tag.__dict__.items() if k != "_variable"}


# Methods that are an elementwise function of the variable and take no argument.
_ELEMENTWISE_METHODS = (
    "exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan arcsin arccos arctan sinh cosh tanh "
    "arcsinh arccosh arctanh ceil floor trunc deg2rad rad2deg conj"
).split()


class _tensor_py_operators:
    """Methods of tensor variables."""

    __slots__ = ()
    # NumPy's own operators give way to those of variables.
    __array_priority__ = 1000

    dtype: Any
    ndim: int
    type: Any
    owner: Any
    name: str | None
    static_shape: tuple[int | None, ...]
    broadcastable: tuple[bool, ...]
    is_constant: bool

    # --- attributes -----------------------------------------------------------------------

    @property
    def T(self) -> Any:
        """The variable with its dimensions reversed."""
        return _tensor().transpose(self)

    @property
    def mT(self) -> Any:
        """The variable with its last two dimensions swapped."""
        return _tensor().matrix_transpose(self)

    @property
    def shape(self) -> Any:
        """The shape: an int64 vector variable of ``ndim`` elements."""
        return _tensor().shape(self)

    @shape.setter
    def shape(self, value: Any) -> None:
        raise AttributeError("the shape of a variable cannot be set; use reshape")

    @property
    def size(self) -> Any:
        """The number of elements: an int64 scalar variable."""
        return _tensor().size(self)

    @property
    def real(self) -> Any:
        """The real part: the variable itself if it is real."""
        return _tensor().real(self)

    @property
    def imag(self) -> Any:
        """The imaginary part: zeros if the variable is real."""
        return _tensor().imag(self)

    @property
    def tag(self) -> Scratchpad:
        """A bag of attributes of the user's own."""
        d = self.__dict__
        if "_tag" not in d:
            d["_tag"] = Scratchpad() if self.owner is None else ComputedScratchpad(self)
        return d["_tag"]

    @tag.setter
    def tag(self, value: Any) -> None:
        self.__dict__["_tag"] = value

    # --- shape ----------------------------------------------------------------------------

    def reshape(self, *shape: Any, ndim: int | None = None) -> Any:
        """The elements in another shape; one length may be -1."""
        if len(shape) == 2 and ndim is None and _is_vector(shape[0]):
            return _tensor().reshape(self, shape[0], ndim=shape[1])
        return _tensor().reshape(self, shape[0] if len(shape) == 1 else shape, ndim=ndim)

    def dimshuffle(self, *pattern: Any) -> Any:
        """Reorders dimensions; ``'x'`` adds one of length 1, those left out must have length 1."""
        if len(pattern) == 1 and isinstance(pattern[0], (list, tuple)):
            pattern = tuple(pattern[0])
        return _tensor().dimshuffle(self, pattern)

    def flatten(self, ndim: int = 1) -> Any:
        """The first ``ndim - 1`` dimensions and one for all the others."""
        return _tensor().flatten(self, ndim)

    def ravel(self) -> Any:
        """The elements as a vector."""
        return _tensor().flatten(self)

    def transpose(self, *axes: Any) -> Any:
        """The dimensions in the order `axes`, reversed by default."""
        if not axes:
            return _tensor().transpose(self)
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (list, tuple))):
            return _tensor().transpose(self, axes[0])
        return _tensor().transpose(self, axes)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """The variable with two dimensions swapped."""
        return _tensor().swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Any:
        """The variable without dimensions that are known to have length 1."""
        return _tensor().squeeze(self, axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Any:
        """Each element `repeats` times."""
        return _tensor().repeat(self, repeats, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The diagonal of a matrix."""
        return _tensor().diagonal(self, offset, axis1, axis2)

    def trace(self) -> Any:
        """The sum of the diagonal of a matrix."""
        return _tensor().nlinalg.trace(self)

    def copy(self, name: str | None = None) -> Any:
        """A new variable of the same value."""
        result = _tensor().tensor_copy(self)
        result.name = name
        return result

    def astype(self, dtype: Any) -> Any:
        """The elements as `dtype`."""
        return _tensor().cast(self, dtype)

    def transfer(self, target: str) -> Any:
        """The variable, delivered on a device where it is an output: see ``tensor.transfer``."""
        return _tensor().transfer(self, target)

    def fill(self, value: Any) -> Any:
        """`value` in the shape of this variable."""
        return _tensor().fill(self, value)

    # --- reductions -----------------------------------------------------------------------

    def sum(
        self, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None
    ) -> Any:
        """Sum over `axis`."""
        return _tensor().sum(self, axis, dtype, keepdims, acc_dtype)

    def prod(
        self, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None
    ) -> Any:
        """Product over `axis`."""
        return _tensor().prod(self, axis, dtype, keepdims, acc_dtype)

    def mean(
        self, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None
    ) -> Any:
        """Mean over `axis`."""
        return _tensor().mean(self, axis, dtype, False, keepdims, acc_dtype)

    def var(
        self, axis: Any = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False
    ) -> Any:
        """Variance over `axis`."""
        return _tensor().var(self, axis, ddof, keepdims, corrected)

    def std(
        self, axis: Any = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False
    ) -> Any:
        """Standard deviation over `axis`."""
        return _tensor().std(self, axis, ddof, keepdims, corrected)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Greatest element over `axis`; NaN wins."""
        return _tensor().max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Least element over `axis`; NaN wins."""
        return _tensor().min(self, axis, keepdims)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Index of the greatest element over `axis`, the first of equals."""
        return _tensor().argmax(self, axis, keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Index of the least element over `axis`, the first of equals."""
        return _tensor().argmin(self, axis, keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether any element over `axis` is true."""
        return _tensor().any(self, axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether all elements over `axis` are true."""
        return _tensor().all(self, axis, keepdims)

    def ptp(self, axis: Any = None) -> Any:
        """Greatest minus least element over `axis`."""
        return _tensor().ptp(self, axis)

    def norm(self, L: Any, axis: Any = None, keepdims: bool = False) -> Any:
        """The L-norm over `axis`."""
        return _tensor().norm(self, L, axis, keepdims)

    # --- running results, order -------------------------------------------------------------

    def cumsum(self, axis: Any = None, dtype: Any = None) -> Any:
        """Running sums along `axis`, or of the flattened variable."""
        return _tensor().cumsum(self, axis, dtype)

    def cumprod(self, axis: Any = None, dtype: Any = None) -> Any:
        """Running products along `axis`, or of the flattened variable."""
        return _tensor().cumprod(self, axis, dtype)

    def sort(self, axis: Any = -1, kind: str | None = "quicksort", order: Any = None) -> Any:
        """The elements in increasing order along `axis`."""
        return _tensor().sort(self, axis, kind, order)

    def argsort(self, axis: Any = -1, kind: str | None = "quicksort", order: Any = None) -> Any:
        """The indices that sort along `axis`."""
        return _tensor().argsort(self, axis, kind, order)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Any:
        """Where the elements of `v` would be inserted into this sorted vector."""
        return _tensor().searchsorted(self, v, side, sorter)

    # --- elementwise, indexing, values ------------------------------------------------------

    def clip(self, a_min: Any, a_max: Any) -> Any:
        """The elements limited to ``[a_min, a_max]``."""
        return _tensor().clip(self, a_min, a_max)

    def round(self, mode: str | None = None) -> Any:
        """The elements rounded to integers, half to even by default."""
        return _tensor().round(self, mode)

    def conj(self) -> Any:
        """The complex conjugates."""
        return _tensor().conj(self)

    conjugate = conj

    def dot(self, other: Any) -> Any:
        """The dot product with `other`."""
        return _tensor().dot(self, other)

    __dot__ = dot

    def __rdot__(self, other: Any) -> Any:
        return _tensor().dot(other, self)

    def __matmul__(self, other: Any) -> Any:
        try:
            return _tensor().matmul(self, other)
        except AsTensorError:
            return NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        try:
            return _tensor().matmul(other, self)
        except AsTensorError:
            return NotImplemented

    def __divmod__(self, other: Any) -> Any:
        return _tensor().divmod(self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return _tensor().divmod(other, self)

    def __ceil__(self) -> Any:
        return _tensor().ceil(self)

    def __floor__(self) -> Any:
        return _tensor().floor(self)

    def __trunc__(self) -> Any:
        return _tensor().trunc(self)

    def zeros_like(self, dtype: Any = None) -> Any:
        """Zeros of the shape of this variable."""
        return _tensor().zeros_like(self, dtype)

    def ones_like(self, dtype: Any = None) -> Any:
        """Ones of the shape of this variable."""
        return _tensor().ones_like(self, dtype)

    def take(self, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
        """The elements at `indices` along `axis`."""
        return _tensor().take(self, indices, axis, mode)

    def nonzero(self, return_matrix: bool = False) -> Any:
        """The indices of the elements that are not zero."""
        return _tensor().nonzero(self, return_matrix)

    def nonzero_values(self) -> Any:
        """The elements that are not zero, as a vector."""
        return _tensor().nonzero_values(self)

    def choose(self, choices: Any, out: Any = None, mode: str = "raise") -> Any:
        """For each element that of the choice that it numbers."""
        return _tensor().choose(self, choices, out, mode)

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        """The slices along `axis` for which the vector `condition` is true."""
        return _tensor().compress(condition, self, axis)

    def __getitem__(self, index: Any) -> Any:
        return _tensor().subtensor.getitem(self, index)

    def __iter__(self) -> Iterator[Any]:
        length = self.static_shape[0] if self.ndim else None
        if length is None:
            raise PhintysTypeError(
                "TensorType does not support iteration. Maybe you are using builtins.sum instead "
                "of _tensor().sum? (Maybe .max?)"
            )
        return iter([self[i] for i in range(length)])

    def set(self, y: Any) -> Any:
        """For ``z = x[index]``: x with `y` stored at that index."""
        return _tensor().set_subtensor(self, y)

    def inc(self, y: Any) -> Any:
        """For ``z = x[index]``: x with `y` added at that index."""
        return _tensor().inc_subtensor(self, y)

    def get_scalar_constant_value(self) -> Any:
        """The value of a constant whose elements are all equal, as a 0-d array."""
        return _tensor().get_scalar_constant_value(self)

    def eval(self, inputs_to_values: dict[Any, Any] | None = None, **options: Any) -> Any:
        """The value of this variable, given values of its inputs.

        The function that computes it is kept, so that further calls with values of the same
        variables are fast.

        >>> import phintys.tensor as T
        >>> x = T.dscalar('x')
        >>> float((x + 1).eval({x: 2.0}))
        3.0
        """
        values = {} if inputs_to_values is None else inputs_to_values
        for key in values:
            if not isinstance(key, _core.Variable) and not hasattr(key, "parts"):
                raise PhintysTypeError(
                    f"eval: the keys must be variables, not {type(key).__name__}: {key!r}"
                )
        cache = self.__dict__.setdefault("_eval_cache", {})
        keys = tuple(sorted(values, key=id))
        ids = (tuple(id(k) for k in keys), tuple(sorted(options)))
        entry = cache.get(ids) if not options else None
        if entry is None:
            function = _phintys.function(list(keys), self, **options)
            # The keys are kept: an id must not be reused by another variable.
            entry = cache[ids] = (function, keys)
        return entry[0](*[values[k] for k in keys])

    def get_parents(self) -> list[Any]:
        """The apply node that computes this variable, if any."""
        return [] if self.owner is None else [self.owner]

    def clone(self, name: str | None = None) -> Any:
        """A new variable of the same type without owner."""
        result = self.type.make_variable(self.name if name is None else name)
        tag = self.__dict__.get("_tag")
        if tag is not None:
            result.tag.__dict__.update(_own_tags(tag))
        return result

    @property
    def auto_name(self) -> str:
        """A name of this variable that no other one of this process has."""
        d = self.__dict__
        if "_auto_name" not in d:
            d["_auto_name"] = f"auto_{next(_auto_names)}"
        return str(d["_auto_name"])

    # --- display, NumPy, pickle ---------------------------------------------------------------

    def _repr_html_(self) -> str:
        import html

        dims = " &times; ".join("?" if n is None else str(n) for n in self.static_shape)
        text = html.escape(_core.debugprint([self], depth=4))
        return (
            f"<b>{html.escape(str(self))}</b> <code>{self.dtype}"
            f"{' [' + dims + ']' if dims else ''}</code><pre>{text}</pre>"
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return numpy_protocol.array_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return numpy_protocol.array_function(func, args, kwargs)

    def __reduce__(self) -> Any:
        from phintys.tensor.pickling import reduce_variable

        return reduce_variable(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise PhintysTypeError(
            f"{self} is a symbolic variable without a value; use eval() or a function"
        )


def _is_vector(shape: Any) -> bool:
    return isinstance(shape, (list, tuple)) or getattr(shape, "ndim", 0) == 1


def _elementwise_method(name: str) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        return getattr(_tensor(), name)(self)

    method.__name__ = name
    method.__qualname__ = f"TensorVariable.{name}"
    method.__doc__ = f"``phintys.tensor.{name}`` of this variable."
    return method


for _name in _ELEMENTWISE_METHODS:
    setattr(_tensor_py_operators, _name, _elementwise_method(_name))


class TensorVariable(_tensor_py_operators, _core.Variable):
    """A tensor in an expression.

    ``TensorVariable(type, owner=None, index=None, name=None)``; usually made by a constructor such
    as ``phintys.tensor.matrix('x')``.
    """


class TensorConstantSignature(tuple):
    """What two constants are compared by: type and bytes."""

    __slots__ = ()


class TensorConstant(_tensor_py_operators, _core.Variable):
    """A tensor whose value is known: ``TensorConstant(type, data, name=None)``."""

    def __new__(cls, type: Any, data: Any, name: str | None = None) -> Any:
        return type.make_constant(data, name)

    def __init__(self, type: Any, data: Any, name: str | None = None) -> None:
        # The object was made complete by __new__.
        pass

    constant_data: Any

    @property
    def data(self) -> Any:
        """The value, a read-only ndarray."""
        return self.constant_data

    value = data

    def signature(self) -> TensorConstantSignature:
        """Equal for constants of equal type and value."""
        data = self.constant_data
        return TensorConstantSignature((str(data.dtype), data.shape, data.tobytes()))

    def equals(self, other: Any) -> bool:
        """True iff `other` is a constant, or array, of equal type and value."""
        if not isinstance(other, _core.Variable):
            other = _tensor().constant(other)
        return isinstance(other, TensorConstant) and self.signature() == other.signature()

    def clone(self, name: str | None = None) -> Any:
        """The constant itself: constants are immutable."""
        return self

    def _scalar(self, what: str) -> Any:
        data = self.constant_data
        if data.size != 1:
            raise PhintysTypeError(f"only constants of one element have a {what}()")
        return data.reshape(()).item()

    def __int__(self) -> int:
        return int(self._scalar("int"))

    def __float__(self) -> float:
        return float(self._scalar("float"))

    def __index__(self) -> int:
        if self.constant_data.dtype.kind not in "iu" or self.ndim:
            raise PhintysTypeError("only integer scalar constants can be used as an index")
        return int(self.constant_data)


Constant = TensorConstant
