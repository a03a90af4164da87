"""Types of tensor variables: a dtype, a rank, and what is known of each dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysTypeError
from phintys.scalar.dtypes import DTYPES, asarray, exchanged, upcast

__all__ = ["DisconnectedType", "Generic", "NullType", "TensorType", "Type", "generic"]

Type = _core.Type


def _shape_from(pattern: Sequence[Any]) -> tuple[int | None, ...]:
    """Static dimensions from Theano's broadcastable flags."""
    return tuple(1 if flag else None for flag in pattern)


def _dtype_name(dtype: Any) -> str:
    if isinstance(dtype, str) and dtype == "floatX":
        return str(config.floatX)
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = ""
    if name not in DTYPES:
        raise PhintysTypeError(
            f"Unsupported dtype for TensorType: {dtype}. Supported are {', '.join(DTYPES)}"
        )
    return str(name)


class TensorType(_core.TensorType):
    """Type of tensors of one dtype and rank.

    Parameters
    ----------
    dtype
        ``'float32'``, ``'int64'``, ``'floatX'``, a NumPy dtype, ...
    broadcastable
        One flag per dimension: True iff its length is known to be 1, so that it broadcasts.
    name
        Kept for Theano's signature.
    shape
        Instead of `broadcastable`: one length, or None if unknown, per dimension.

    Types are equal, and hash alike, if dtype and dimensions are.
    """

    def __init__(
        self,
        dtype: Any,
        broadcastable: Sequence[Any] | None = None,
        name: str | None = None,
        sparse_grad: bool = False,
        *,
        shape: Sequence[int | None] | None = None,
    ) -> None:
        if (broadcastable is None) == (shape is None):
            raise PhintysTypeError("TensorType needs either broadcastable or shape")
        dims = _shape_from(broadcastable or ()) if shape is None else tuple(shape)
        super().__init__(_dtype_name(dtype), dims)
        self.sparse_grad = sparse_grad

    Variable: Any = None
    Constant: Any = None
    SharedVariable: Any = None

    @property
    def shape(self) -> tuple[int | None, ...]:
        """For each dimension, its length if that is known, else None."""
        return tuple(self.static_shape)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return np.dtype(self.dtype)

    def dtype_specs(self) -> tuple[type, str, str]:
        """NumPy scalar class, C type name and NumPy type number name, as Theano gives them."""
        dtype = self.numpy_dtype
        return dtype.type, f"npy_{self.dtype}", f"NPY_{self.dtype.upper()}"

    def clone(self, dtype: Any = None, broadcastable: Sequence[Any] | None = None) -> TensorType:
        """This type with another dtype or other broadcastable dimensions."""
        dtype = self.dtype if dtype is None else dtype
        if broadcastable is None:
            return TensorType(dtype, shape=self.shape)
        return TensorType(dtype, broadcastable)

    def __call__(self, name: str | None = None) -> Any:
        """A new variable of this type."""
        return self.make_variable(name)

    def make_variable(self, name: str | None = None) -> Any:
        """A new variable of this type."""
        if name is not None and not isinstance(name, str):
            raise PhintysTypeError(f"A variable's name must be text, not {type(name).__name__}")
        return self.Variable(self, name=name)

    def make_constant(self, value: Any, name: str | None = None) -> Any:
        """A constant of this type."""
        return _core.constant(self.filter(value), name)

    # --- values ---------------------------------------------------------------------------

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """`data` as an ndarray of this type.

        Raises TypeError if that would lose precision and `allow_downcast` is not True (Python
        floats are accepted by types of dtype ``config.floatX`` if it is None), if the rank or a
        known dimension differs, or if `strict` and `data` is not an ndarray of this very dtype.
        """
        if isinstance(data, _core.Variable):
            raise PhintysTypeError(
                "Expected an array-like object, but found a Variable: maybe you are trying to "
                "call a function on a (possibly shared) variable instead of a numeric array?"
            )
        if not (isinstance(data, np.ndarray) and data.dtype == self.numpy_dtype):
            data = data if strict else exchanged(data)
        if not (isinstance(data, np.ndarray) and data.dtype == self.numpy_dtype):
            data = self._convert(data, strict, allow_downcast)
        elif isinstance(data, np.matrix):
            data = np.asarray(data)
        if data.ndim != self.ndim:
            raise PhintysTypeError(
                f"Wrong number of dimensions: expected {self.ndim}, got {data.ndim} "
                f"with shape {data.shape}."
            )
        for length, known in zip(data.shape, self.shape, strict=True):
            if known is not None and length != known:
                if known == 1:
                    raise PhintysTypeError(
                        "Non-unit value on shape on a broadcastable dimension.",
                        data.shape,
                        self.broadcastable,
                    )
                raise PhintysTypeError(
                    f"The shape {data.shape} does not fit the type's shape {self.shape}."
                )
        return data

    def _convert(self, data: Any, strict: bool, allow_downcast: bool | None) -> Any:
        if strict:
            if not isinstance(data, np.ndarray):
                raise PhintysTypeError(f"{self} expected a ndarray object.", data, type(data))
            raise PhintysTypeError(
                f"{self} expected a ndarray object with dtype = {self.dtype} (got {data.dtype})."
            )
        if allow_downcast:
            return asarray(data, self.dtype)
        if isinstance(data, np.ndarray):
            if data.dtype.name in DTYPES and upcast(self.dtype, data.dtype.name) == self.dtype:
                return asarray(data, self.dtype)
            raise PhintysTypeError(
                f"{self} cannot store a value of dtype {data.dtype} without risking loss of "
                "precision. If you do not mind this loss, you can: 1) explicitly cast your data "
                f'to {self.dtype}, or 2) set "allow_input_downcast=True" when calling '
                f'"function". Value: "{data!r}"'
            )
        if allow_downcast is None and isinstance(data, float) and self.dtype == config.floatX:
            return asarray(data, self.dtype)
        return self._convert_exactly(data)

    def _convert_exactly(self, data: Any) -> Any:
        text = str(data)
        if len(text) > 80:
            text = text[:75] + "(...)"
        hint = (
            "If you do not mind this precision loss, you can: 1) explicitly convert your data to "
            f'a numpy array of dtype {self.dtype}, or 2) set "allow_input_downcast=True" when '
            'calling "function".'
        )
        try:
            converted = asarray(data, self.dtype)
        except OverflowError:
            raise PhintysTypeError(
                f'{self} cannot store accurately value "{text}", it is out of range. {hint}'
            ) from None
        plain = np.asarray(data)
        if plain.dtype.kind in "biufc" and not np.array_equal(
            plain, converted, equal_nan=plain.dtype.kind in "fc"
        ):
            raise PhintysTypeError(
                f'{self} cannot store accurately value "{text}", it would be represented as '
                f'"{converted}". {hint}'
            )
        return converted

    def is_valid_value(self, data: Any) -> bool:
        """True iff `data` is an ndarray of this type."""
        try:
            self.filter(data, strict=True)
        except (TypeError, ValueError):
            return False
        return True

    def value_zeros(self, shape: Sequence[int]) -> Any:
        """An ndarray of zeros of this dtype."""
        return np.zeros(shape, self.dtype)

    @staticmethod
    def values_eq(a: Any, b: Any, force_same_dtype: bool = True) -> bool:
        """True iff the arrays are equal, NaN in the same places."""
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or (force_same_dtype and a.dtype != b.dtype):
            return False
        floating = a.dtype.kind in "fc" and b.dtype.kind in "fc"
        return bool(np.array_equal(a, b, equal_nan=floating))

    @staticmethod
    def values_eq_approx(
        a: Any,
        b: Any,
        allow_remove_inf: bool = False,
        allow_remove_nan: bool = False,
        rtol: float | None = None,
        atol: float | None = None,
    ) -> bool:
        """True iff the arrays agree within the tolerance of their dtype."""
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.dtype.kind not in "fc":
            return bool(np.array_equal(a, b))
        default = {"float16": 5e-3, "float32": 1e-5, "complex64": 1e-5}.get(a.dtype.name, 1e-8)
        rtol = default if rtol is None else rtol
        atol = default if atol is None else atol
        with np.errstate(all="ignore"):
            close = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
        if allow_remove_inf:
            close |= np.isinf(a)
        if allow_remove_nan:
            close |= np.isnan(a)
        return bool(close.all())

    @staticmethod
    def may_share_memory(a: Any, b: Any) -> bool:
        """True iff the arrays may share memory."""
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)

    # --- variables ------------------------------------------------------------------------

    def same_pattern(self, other: Any) -> bool:
        """True iff `other` has the same dtype, rank and broadcastable dimensions."""
        return (
            isinstance(other, _core.TensorType)
            and self.dtype == other.dtype
            and tuple(self.broadcastable) == tuple(other.broadcastable)
        )

    def filter_variable(self, other: Any, allow_convert: bool = True) -> Any:
        """`other` as a variable of this type; TypeError if its type differs."""
        if not isinstance(other, _core.Variable):
            other = self.make_constant(other)
        if self.same_pattern(other.type):
            return other
        if allow_convert:
            converted = self.convert_variable(other)
            if converted is not None:
                return converted
        raise PhintysTypeError(
            f"Cannot convert Type {other.type} (of Variable {other}) into Type {self}. "
            f"You can try to manually convert {other} into a {self}."
        )

    def convert_variable(self, var: Any) -> Any:
        """`var` if it is of this type or of a more precise one, else None."""
        if not isinstance(var.type, _core.TensorType) or var.ndim != self.ndim:
            return None
        if self.same_pattern(var.type):
            return var
        wider = all(
            mine is False or theirs
            for mine, theirs in zip(self.broadcastable, var.broadcastable, strict=True)
        )
        if var.dtype == self.dtype and wider:
            from phintys.tensor.shape import patternbroadcast

            return patternbroadcast(var, self.broadcastable)
        return None

    def to_scalar_type(self) -> TensorType:
        """The type of one element: this dtype, rank 0."""
        return TensorType(self.dtype, ())

    def get_size(self, shape_info: Sequence[int]) -> int:
        """Bytes of an array of this dtype and the given shape."""
        count = 1
        for length in shape_info:
            count *= length
        return int(count * self.numpy_dtype.itemsize)

    def get_shape_info(self, obj: Any) -> Any:
        """The shape of an array."""
        return obj.shape

    def __reduce__(self) -> Any:
        return _rebuild_type, (self.dtype, tuple(self.shape))


def _rebuild_type(dtype: str, shape: tuple[int | None, ...]) -> TensorType:
    return TensorType(dtype, shape=shape)


class DisconnectedType(_core.DisconnectedType):
    """The type of the gradient of something that the cost does not depend on."""

    def __call__(self, name: str | None = None) -> Any:
        """A new variable of this type."""
        return _core.Variable(self, name=name)


class NullType(_core.NullType):
    """The type of a gradient that is undefined: ``NullType(why_null)``."""

    def __call__(self, name: str | None = None) -> Any:
        """A new variable of this type."""
        return _core.Variable(self, name=name)


class Generic(_core.GenericType):
    """The type of any Python object: ``phintys.generic`` is the instance to use.

    Only ops written in Python know what to do with a variable of this type: their ``perform`` gets
    the object itself. Functions take any object for an input of this type, as it is.

    >>> settings = generic('settings')
    >>> settings.type == generic, settings.name
    (True, 'settings')
    """

    Variable: Any = None
    SharedVariable: Any = None
    dtype = None

    def __call__(self, name: str | None = None) -> Any:
        """A new variable of this type."""
        return self.make_variable(name)

    def make_variable(self, name: str | None = None) -> Any:
        """A new variable of this type."""
        return self.Variable(self, name=name)

    def make_constant(self, value: Any, name: str | None = None) -> Any:
        """A variable that always is `value`: one with a value of its own, see ``shared``."""
        return self.SharedVariable(name=name, type=self, value=value, strict=False)

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """`data` itself. TypeError if it is a variable."""
        if isinstance(data, _core.Variable):
            raise PhintysTypeError(f"Expected an object, but found a Variable: {data}")
        return data

    def is_valid_value(self, data: Any) -> bool:
        """True: every object is one."""
        return True

    @staticmethod
    def values_eq(a: Any, b: Any) -> bool:
        """Whether the objects are equal."""
        return bool(a is b or a == b)

    values_eq_approx = values_eq

    @staticmethod
    def may_share_memory(a: Any, b: Any) -> bool:
        """Whether they are the same object."""
        return a is b

    def same_pattern(self, other: Any) -> bool:
        """True iff `other` is a generic type, too."""
        return isinstance(other, _core.GenericType)

    def filter_variable(self, other: Any, allow_convert: bool = True) -> Any:
        """`other` as a variable of this type; TypeError if it is one of another type."""
        if not isinstance(other, _core.Variable):
            return self.make_constant(other)
        if not self.same_pattern(other.type):
            raise PhintysTypeError(
                f"Cannot convert Type {other.type} (of Variable {other}) into Type {self}."
            )
        return other

    def convert_variable(self, var: Any) -> Any:
        """`var` if it is of this type, else None."""
        return var if self.same_pattern(var.type) else None

    def __reduce__(self) -> Any:
        return Generic, ()


generic = Generic()


def _make_type(dtype: str, shape: Sequence[int | None]) -> TensorType:
    return TensorType(dtype, shape=shape)


_core.set_type_factory(_make_type, DisconnectedType, NullType, lambda: generic)
