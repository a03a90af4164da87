"""NumPy's functions over variables: ``numpy.exp(x)``, ``array + x``, ``numpy.sum(x)``.

Dtypes follow NumPy 2 there: a Python number does not raise the dtype of a variable.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import phintys as _phintys
from phintys import _core


def _tensor() -> Any:
    # Looked up at the time of the call: phintys.tensor imports this module.
    return _phintys.tensor


# Functions of NumPy whose counterpart has another name or lives in a sub-module.
_RENAMED = {"amax": "max", "amin": "min"}


def _ufunc_table() -> dict[str, str]:
    from phintys.tensor import numpy_ufuncs

    table = {}
    for info in _core.elementwise_ops():
        reference = info.get("numpy") or ""
        if reference.startswith("numpy.") and not info.get("internal"):
            table[reference.removeprefix("numpy.")] = info["name"]
    # Ufuncs that are another spelling of an op.
    table.update(
        logical_and="logical_and", logical_or="logical_or", logical_xor="logical_xor",
        divide="true_div", true_divide="true_div", conjugate="conj", isfinite="isfinite",
        divmod="divmod", matmul="matmul", vecdot="vecdot", matvec="matvec", vecmat="vecmat",
        rint="round_half_to_even", power="pow",
    )  # fmt: skip
    table.update({name: name for name in numpy_ufuncs.__all__})
    return {name: op for name, op in table.items() if isinstance(getattr(np, name), np.ufunc)}


_UFUNCS: dict[str, str] = {}
# Reductions of binary ufuncs.
_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}
_ACCUMULATIONS = {"add": "cumsum", "multiply": "cumprod"}


def _weak(inputs: tuple[Any, ...]) -> list[Any]:
    """The operands, Python numbers as NumPy 2 would convert them for the others' dtypes."""
    typed = [np.dtype(v.dtype) for v in inputs if hasattr(v, "dtype")]
    result = []
    for value in inputs:
        if type(value) in (int, float, complex) and typed:
            dtype = np.result_type(*typed, value)
            result.append(_tensor().constant(np.asarray(value, dtype)))
        elif isinstance(value, bool):
            result.append(_tensor().constant(np.asarray(value)))
        else:
            result.append(value)
    return result


def array_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The expression for a call of a ufunc or of its method ``reduce``."""
    if not _UFUNCS:
        _UFUNCS.update(_ufunc_table())
    name = ufunc.__name__
    where = kwargs.pop("where", True)
    out = kwargs.pop("out", None)
    if out is not None and any(o is not None for o in out):
        return NotImplemented
    if where is not True:
        return NotImplemented
    if method == "reduce" and name in _REDUCTIONS:
        if kwargs.pop("initial", None) is not None:
            return NotImplemented
        axis = kwargs.pop("axis", 0)
        keepdims = kwargs.pop("keepdims", False)
        dtype = kwargs.pop("dtype", None)
        options = {} if dtype is None else {"dtype": dtype}
        function = getattr(_tensor(), _REDUCTIONS[name])
        return function(inputs[0], axis=axis, keepdims=keepdims, **options)
    if method == "accumulate" and name in _ACCUMULATIONS:
        function = getattr(_tensor(), _ACCUMULATIONS[name])
        return function(inputs[0], kwargs.pop("axis", 0), kwargs.pop("dtype", None))
    if method == "outer" and ufunc.signature is None and len(inputs) == 2:
        x, y = (_tensor().as_tensor_variable(v) for v in inputs)
        inputs = (_core.dimshuffle(x, [*range(x.ndim), *[-1] * y.ndim]), y)
        method = "__call__"
    if method != "__call__":
        return NotImplemented
    dtype = kwargs.pop("dtype", None)
    if kwargs:
        return NotImplemented
    if name in ("logical_not",):
        result = _tensor().eq(inputs[0], 0)
    elif name in _UFUNCS:
        result = getattr(_tensor(), _UFUNCS[name])(*_weak(inputs))
    else:
        return NotImplemented
    return result if dtype is None else _tensor().cast(result, dtype)


# Functions whose arguments have the same meaning here. Those that phintys.tensor does not have are
# refused, as are all others.
_FUNCTIONS = frozenset(
    "all allclose amax amin angle any append argmax argmin argpartition argsort argwhere around "
    "array_split atleast_1d atleast_2d atleast_3d average bincount broadcast_arrays "
    "broadcast_to choose clip column_stack compress concatenate corrcoef count_nonzero cov "
    "cumprod cumsum diag diagonal diff digitize dot dstack einsum empty_like expand_dims "
    "extract flatnonzero flip fliplr flipud full_like geomspace histogram hstack imag "
    "isclose kron linspace logspace matrix_transpose max mean median meshgrid min moveaxis "
    "nanargmax nanargmin nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile "
    "nanstd nansum nanvar nonzero ones_like outer pad partition percentile prod ptp quantile "
    "ravel ravel_multi_index real repeat reshape roll rollaxis rot90 round searchsorted "
    "select shape size sort squeeze stack std sum swapaxes take take_along_axis tensordot "
    "tile trace transpose tril tril_indices_from triu triu_indices_from unique unravel_index "
    "var vstack where zeros_like cross inner vdot array_equal astype block concat convolve "
    "correlate cumulative_prod cumulative_sum delete diag_indices_from diagflat ediff1d fix i0 "
    "insert interp iscomplex isin isneginf isposinf isreal nan_to_num nancumprod nancumsum "
    "permute_dims polyval sinc trapezoid unstack unwrap vander".split()
)
_LINALG = frozenset(
    "cond det eig eigh eigvals inv lstsq matrix_norm matrix_power matrix_rank multi_dot norm pinv "
    "qr slogdet solve svd tensorinv tensorsolve vector_norm".split()
)
_ARGUMENT_NAMES = {"a": 0, "x": 0, "arr": 0, "ary": 0, "m": 0, "array": 0, "v": 0}
_IGNORED = {"out", "order", "subok", "device", "like", "casting"}


def _atleast_3d(*arys: Any) -> Any:
    # NumPy puts the new dimensions of vectors on both sides, of matrices on the right.
    orders = {0: [-1, -1, -1], 1: [-1, 0, -1], 2: [0, 1, -1]}
    given = [_tensor().as_tensor_variable(a) for a in arys]
    result = [v if v.ndim > 2 else _core.dimshuffle(v, orders[v.ndim]) for v in given]
    return result[0] if len(result) == 1 else tuple(result)


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    if not isinstance(indices_or_sections, (int, np.integer)):
        return _tensor().array_split(ary, indices_or_sections, axis)
    x = _tensor().as_tensor_variable(ary)
    size = _tensor().shape(x)[axis] // indices_or_sections
    return _tensor().split(x, [size] * int(indices_or_sections), int(indices_or_sections), axis)


def _count_nonzero(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _tensor().sum(
        _tensor().subtensor.as_mask(a), axis=axis, dtype="int64", keepdims=keepdims
    )


def _differences(x: Any, step: Any, axis: int) -> Any:
    part = _tensor().slice_at_axis
    inner = (part(x, slice(2, None), axis) - part(x, slice(None, -2), axis)) / (2 * step)
    first = (part(x, slice(1, 2), axis) - part(x, slice(0, 1), axis)) / step
    last = (part(x, slice(-1, None), axis) - part(x, slice(-2, -1), axis)) / step
    return _tensor().concatenate([first, inner, last], axis)


def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    x = _tensor().as_tensor_variable(f)
    if x.dtype not in _tensor().continuous_dtypes:
        x = _tensor().cast(x, "float64")
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    steps = list(varargs or [1.0])
    steps = steps * len(axes) if len(steps) == 1 else steps
    if edge_order != 1 or len(steps) != len(axes) or any(np.ndim(h) for h in steps):
        return NotImplemented
    results = [
        _differences(x, np.asarray(h, x.dtype), a % x.ndim)
        for h, a in zip(steps, axes, strict=True)
    ]
    return results[0] if len(results) == 1 else tuple(results)


def round_decimals(a: Any, decimals: int = 0) -> Any:
    """`a` rounded to `decimals` places, half to even; a negative number rounds to tens."""
    x = _tensor().as_tensor_variable(a)
    if np.dtype(x.dtype).kind in "biu":
        if decimals >= 0:
            return x
        return _tensor().cast(round_decimals(_tensor().cast(x, "float64"), decimals), x.dtype)
    # As NumPy: scaled, rounded half to even, scaled back.
    scale = np.asarray(10.0 ** abs(decimals), x.dtype)
    if decimals == 0:
        return _tensor().round(x)
    if decimals > 0:
        return _tensor().round(x * scale) / scale
    return _tensor().round(x / scale) * scale


def _clip(a: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    (x,) = _weak((a,))
    if low is not None and high is not None:
        return _tensor().clip(*_weak((x, low, high)))
    if low is not None:
        return _tensor().maximum(*_weak((x, low)))
    return x if high is None else _tensor().minimum(*_weak((x, high)))


# What is known of a variable without its value.
_ABOUT: dict[str, Any] = {
    "iscomplexobj": lambda x: np.dtype(x.dtype).kind == "c",
    "isrealobj": lambda x: np.dtype(x.dtype).kind != "c",
    "ndim": lambda a: a.ndim,
    "result_type": lambda *given: np.result_type(
        *[np.dtype(v.dtype) if isinstance(v, _core.Variable) else v for v in given]
    ),
}
# Functions whose arguments mean something else here, or that are expressions of others.
_ADAPTED: dict[str, Any] = {
    **_ABOUT,
    "around": round_decimals,
    "clip": _clip,
    "round": round_decimals,
    "copy": lambda a: _tensor().tensor_copy(a),
    "gradient": _gradient,
    "atleast_3d": _atleast_3d,
    "count_nonzero": _count_nonzero,
    "hsplit": lambda ary, parts: _split(ary, parts, 0 if ary.ndim == 1 else 1),
    "dsplit": lambda ary, parts: _split(ary, parts, 2),
    "split": _split,
    "vsplit": lambda ary, parts: _split(ary, parts, 0),
}


def _function_for(name: str) -> Any:
    if name in _ADAPTED:
        return _ADAPTED[name]
    if name not in _FUNCTIONS:
        return None
    name = _RENAMED.get(name, name)
    return getattr(_tensor(), name, None) or getattr(_tensor().extra_ops, name, None)


def _linalg_function(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The expression for a call of a function of ``numpy.linalg``."""
    linalg = _tensor().linalg
    if name == "cholesky":
        return linalg.cholesky(*args, lower=not kwargs.get("upper", False))
    if name == "eigvalsh":
        uplo = kwargs.get("UPLO", args[1] if len(args) > 1 else "L")
        return linalg.eigvalsh(args[0], lower=uplo in ("L", "l"))
    if name in _LINALG_ADAPTED:
        return _LINALG_ADAPTED[name](*args, **{k: v for k, v in kwargs.items() if v != -1})
    if name not in _LINALG:
        return NotImplemented
    return getattr(linalg, name)(*args, **kwargs)


def _linalg_diagonal(x: Any, *, offset: int = 0) -> Any:
    return _tensor().diagonal(x, offset, -2, -1)


# Functions of numpy.linalg that live elsewhere here.
_LINALG_ADAPTED: dict[str, Any] = {
    "cross": lambda x1, x2, axis=-1: _tensor().cross(x1, x2, axis=axis),
    "diagonal": _linalg_diagonal,
    "matmul": lambda x1, x2: _tensor().matmul(x1, x2),
    "matrix_transpose": lambda x: _tensor().matrix_transpose(x),
    "outer": lambda x1, x2: _tensor().outer(x1, x2),
    "svdvals": lambda x: _tensor().linalg.svd(x, compute_uv=False),
    "tensordot": lambda x1, x2, axes=2: _tensor().tensordot(x1, x2, axes=axes),
    "trace": lambda x, offset=0: _linalg_diagonal(x, offset=offset).sum(axis=-1),
    "vecdot": lambda x1, x2: _tensor().vecdot(x1, x2),
}


def array_function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The expression for a call of a function of NumPy that is not a ufunc."""
    name = func.__name__
    module = (func.__module__ or "").split(".")
    if func.__module__ == "numpy.linalg":
        return _linalg_function(name, args, kwargs)
    function = _function_for(name)
    if function is None or module[0] != "numpy" or module[1:2] == ["fft"]:
        return NotImplemented
    options = {k: v for k, v in kwargs.items() if v is not np._NoValue}
    for key in _IGNORED & options.keys():
        if options.pop(key) not in (None, "K", "C", True):
            return NotImplemented
    first = [k for k in options if k in _ARGUMENT_NAMES]
    if not args and first:
        args = (options.pop(first[0]),)
    if name in ("std", "var", "mean") and "dtype" in options and options["dtype"] is None:
        del options["dtype"]
    return function(*args, **options)


def ufunc_names() -> set[str]:
    """Names of the ufuncs that take variables."""
    return set(_ufunc_table()) | {"logical_not"}


def function_names() -> set[str]:
    """Names of NumPy's other functions that take variables and return variables."""
    return (set(_FUNCTIONS) | set(_ADAPTED)) - set(_ABOUT)


def linalg_names() -> set[str]:
    """Names of the functions of ``numpy.linalg`` that take variables."""
    return set(_LINALG) | set(_LINALG_ADAPTED) | {"cholesky", "eigvalsh"}
