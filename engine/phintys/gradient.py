"""Gradients: ``grad``, ``Lop``, ``Rop`` and what surrounds them.

Differentiation itself is done by the C++ library; this module handles arguments.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import (
    DisconnectedInputError,
    GradientError,
    NullTypeGradError,
    PhintysAssertionError,
    PhintysNotImplementedError,
    PhintysTypeError,
    PhintysValueError,
)
from phintys.gradient_ops import *  # noqa: F403
from phintys.gradient_ops import __all__ as _gradient_ops
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.type import DisconnectedType, NullType, TensorType

__all__ = [
    *_gradient_ops,
    "DisconnectedInputError",
    "DisconnectedType",
    "GradientError",
    "Lop",
    "NullType",
    "NullTypeGradError",
    "Rop",
    "disconnected_type",
    "format_as",
    "grad",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "numeric_grad",
    "pullback",
    "pushforward",
    "subgraph_grad",
    "verify_grad",
]

disconnected_type = DisconnectedType()


def format_as(use_list: bool, use_tuple: bool, outputs: Any) -> Any:
    """`outputs` as a list, a tuple, or (neither) its only element."""
    if use_list and use_tuple:
        raise PhintysAssertionError("Both flags cannot be simultaneously True")
    if use_list or use_tuple:
        if not isinstance(outputs, (list, tuple)):
            outputs = [outputs]
        return list(outputs) if use_list else tuple(outputs)
    if isinstance(outputs, (list, tuple)):
        if len(outputs) != 1:
            raise PhintysAssertionError(
                "Wrong arguments. Expected a one element list", len(outputs)
            )
        return outputs[0]
    return outputs


def _wrt_list(wrt: Any) -> tuple[list[Any], bool, bool]:
    use_list, use_tuple = isinstance(wrt, list), isinstance(wrt, tuple)
    # A sparse variable stands for its stored elements.
    items = [getattr(v, "differentiable", v) for v in (wrt if use_list or use_tuple else [wrt])]
    for item in items:
        if not isinstance(item, _core.Variable):
            raise PhintysTypeError(f"Expected Variable, got {item!r} of type {type(item).__name__}")
    return items, use_list, use_tuple


def _variables(items: Any) -> list[Any]:
    if items is None:
        return []
    if isinstance(items, _core.Variable):
        return [items]
    if hasattr(items, "differentiable"):
        return [items.differentiable]
    return [as_tensor_variable(getattr(v, "differentiable", v)) for v in items]


def _like_wrt(wrt: Any, use_list: bool, use_tuple: bool, results: Any) -> Any:
    """Gradients in the container of `wrt`; those of sparse variables are sparse."""
    results = list(results)
    for k, variable in enumerate(wrt if use_list or use_tuple else [wrt]):
        if hasattr(variable, "with_data") and isinstance(results[k], _core.Variable):
            if isinstance(results[k].type, TensorType):
                results[k] = variable.with_data(results[k])
    return format_as(use_list, use_tuple, results)


def grad(
    cost: Any,
    wrt: Any,
    consider_constant: Any = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Any = None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """The gradient of `cost` with respect to `wrt`.

    Parameters
    ----------
    cost
        A scalar (0-d) variable, real; may be None if `known_grads` are given.
    wrt
        A variable or a list of them, also intermediate ones.
    consider_constant
        Variables through which nothing is propagated.
    disconnected_inputs
        What to do if the cost does not depend on a `wrt`: ``'raise'``, ``'warn'`` or ``'ignore'``.
    add_names
        Name the gradients ``(d<cost>/d<wrt>)``.
    known_grads
        A dict from variables to the gradient of some cost with respect to them.
    return_disconnected
        For such a `wrt`: ``'zero'`` zeros, ``'None'`` None, ``'Disconnected'`` a variable of
        disconnected type.
    null_gradients
        ``'raise'``, or ``'return'`` variables of null type where a gradient is undefined.

    Returns
    -------
    One variable for each of `wrt`, in the same kind of container; of the same shape as `wrt`, and
    its dtype, or floatX if that is an integer. With respect to a complex variable it is the
    derivative by the real part plus i times the derivative by the imaginary part, as in Theano.

    Raises
    ------
    TypeError
        The cost is no scalar, or complex.
    DisconnectedInputError
        The cost does not depend on a `wrt`.
    NullTypeGradError
        The gradient is undefined.

    >>> import phintys.tensor as T
    >>> x = T.dscalar('x')
    >>> float(grad(x ** 2, x).eval({x: 4.0}))
    8.0
    """
    if isinstance(wrt, (set, frozenset)):
        raise PhintysTypeError("wrt passed in as a set, which has no order. Use a list")
    if cost is None and not known_grads:
        raise PhintysAssertionError("cost and known_grads can't both be None.")
    items, use_list, use_tuple = _wrt_list(wrt)
    if cost is not None:
        if not isinstance(cost, _core.Variable):
            raise PhintysTypeError(f"cost must be a variable, got {type(cost).__name__}")
        if isinstance(cost.type, NullType):
            raise NullTypeGradError(
                "Can't differentiate a NaN cost. cost is NaN because " + cost.type.why_null
            )
        if cost.ndim != 0:
            raise PhintysTypeError("cost must be a scalar.")
    known = []
    pairs = known_grads.items() if hasattr(known_grads, "items") else (known_grads or [])
    for variable, gradient in pairs:
        variable = getattr(variable, "differentiable", variable)
        gradient = getattr(gradient, "differentiable", gradient)
        if not isinstance(variable, _core.Variable):
            raise PhintysTypeError(f"the keys of known_grads must be variables, got {variable!r}")
        gradient = as_tensor_variable(gradient)
        if gradient.ndim != variable.ndim:
            raise PhintysValueError(
                f"known_grads: the gradient for {variable} ({variable.type}) has rank "
                f"{gradient.ndim}"
            )
        known.append((variable, gradient))
    results, disconnected = _core.grad(
        cost,
        items,
        _variables(consider_constant),
        known,
        disconnected_inputs,
        return_disconnected,
        null_gradients,
        add_names,
    )
    if disconnected_inputs == "warn":
        for index in disconnected:
            warnings.warn(_disconnected_text(items[index]), stacklevel=2)
    return _like_wrt(wrt, use_list, use_tuple, results)


def _disconnected_text(variable: Any) -> str:
    return (
        "grad method was asked to compute the gradient with respect to a variable that is not "
        f"part of the computational graph of the cost, or is used only by a non-differentiable "
        f"operator: {variable}"
    )


def subgraph_grad(
    wrt: Any, end: Any, start: Any = None, cost: Any = None, details: bool = False
) -> Any:
    """Gradients of a part of a graph, to be continued from `end`.

    `start` maps variables to gradients with respect to them; with `cost`, its own are added.
    Returns (gradients with respect to `wrt`, with respect to `end`).
    """
    if start is None and cost is None:
        raise PhintysAssertionError("`cost` or `start` must be specified.")
    params = list(wrt) + list(end)
    total = None
    if start is not None:
        total = grad(None, params, consider_constant=end, known_grads=start,
                     disconnected_inputs="ignore")  # fmt: skip
    if cost is not None:
        own = grad(cost, params, consider_constant=end, disconnected_inputs="ignore")
        total = own if total is None else [a + b for a, b in zip(total, own, strict=True)]
    assert total is not None
    n = len(list(wrt))
    return total[:n], total[n:]


def _points(eval_points: Any, others: list[Any], what: str) -> list[Any]:
    points = eval_points if isinstance(eval_points, (list, tuple)) else [eval_points]
    result = [
        None if p is None else as_tensor_variable(getattr(p, "differentiable", p)) for p in points
    ]
    if len(result) != len(others):
        raise PhintysValueError(f"{what}: {len(result)} eval_points for {len(others)} variables")
    for i, (point, other) in enumerate(zip(result, others, strict=True)):
        if point is not None and point.ndim != other.ndim:
            raise PhintysValueError(
                f"Element {i} of {'wrt' if what == 'Rop' else 'f'}/eval_points have mismatched "
                f"dimensionality: {other.ndim} versus {point.ndim}"
            )
    return result


def Lop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    consider_constant: Any = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The product of `eval_points` with the Jacobian of `f` with respect to `wrt`.

    `f` and `wrt` are variables or lists of them; `eval_points` have the shapes of `f`. Returns
    variables of the shapes of `wrt`, in the same kind of container.
    """
    items, use_list, use_tuple = _wrt_list(wrt)
    functions = _variables(f)
    points = _points(eval_points, functions, "Lop")
    constants = _variables(consider_constant)
    results = _core.Lop(functions, items, points, constants, disconnected_inputs)
    return _like_wrt(wrt, use_list, use_tuple, results)


def Rop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    disconnected_outputs: str = "raise",
    return_disconnected: str = "zero",
) -> Any:
    """The product of the Jacobian of `f` with respect to `wrt` with `eval_points`.

    `eval_points` have the shapes of `wrt`; None stands for a zero direction. Returns variables of
    the shapes of `f`, in the same kind of container.

    `disconnected_outputs` says what to do if one of `f` does not depend on `wrt`: ``'raise'``,
    ``'warn'`` or ``'ignore'``; `return_disconnected` what stands for it then, as in :func:`grad`.

    Raises
    ------
    ValueError
        Ranks do not match, or an option is unknown.
    DisconnectedInputError
        One of `f` does not depend on `wrt`.
    """
    if disconnected_outputs not in ("raise", "warn", "ignore"):
        raise PhintysValueError(
            "Invalid value for keyword argument 'disconnected_outputs', valid values are "
            "'ignore', 'warn' and 'raise'."
        )
    stand_in = return_disconnected.lower()
    if stand_in not in ("zero", "none", "disconnected"):
        raise PhintysValueError(
            "Invalid value for keyword argument 'return_disconnected', valid values are 'zero', "
            "'None' and 'Disconnected'."
        )
    items, _, _ = _wrt_list(wrt)
    use_list, use_tuple = isinstance(f, list), isinstance(f, tuple)
    functions = _variables(f)
    points = _points(eval_points, items, "Rop")
    action = "raise" if disconnected_outputs == "raise" else "ignore"
    results = list(_core.Rop(functions, items, points, action))
    if action == "ignore" and (disconnected_outputs == "warn" or stand_in != "zero"):
        used = [item for item, point in zip(items, points, strict=True) if point is not None]
        for i, function in enumerate(functions):
            if _is_connected(function, used):
                continue
            if disconnected_outputs == "warn":
                warnings.warn(
                    "Rop method was asked to compute the gradient with respect to a variable that "
                    f"is not part of the computational graph of {function}",
                    stacklevel=2,
                )
            if stand_in != "zero":
                results[i] = None if stand_in == "none" else disconnected_type()
    return format_as(use_list, use_tuple, results)


def _is_connected(f: Any, wrt: list[Any]) -> bool:
    """True iff `f` depends on one of `wrt` by differentiable functions."""
    from phintys.tensor.creation import ones_like

    found = _core.grad(None, wrt, [], [(f, ones_like(f))], "ignore", "zero", "return", False)
    return len(found[1]) < len(wrt)


pullback = Lop
pushforward = Rop


def _rows_of_jacobian(
    expression: Any, items: list[Any], consider_constant: Any, disconnected_inputs: str
) -> list[Any]:
    """For each of `items` the gradients of all elements of a vector, stacked."""
    from phintys.scan_module.loop import Body, Rows, loop
    from phintys.tensor.creation import arange
    from phintys.tensor.test_values import without_test_values

    index = TensorType("int64", ())("row")
    with without_test_values():  # of a single row
        slopes = grad(expression[index], items, consider_constant, disconnected_inputs)
    length = _core.shape_i(expression, 0)
    body = Body(sequences=[Rows(arange(length), index)], emitted=slopes)
    return list(loop(length, body, label="jacobian")[1])


def jacobian(
    expression: Any,
    wrt: Any,
    consider_constant: Any = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The Jacobian of `expression`, a scalar or a vector.

    Row i is the gradient of ``expression[i]``: the result has the shape of `expression` followed
    by that of `wrt`. A list of `wrt` gives a list. What the rows have in common is computed once.
    Options and errors are those of :func:`grad`; AssertionError if `expression` has more than one
    dimension.

    >>> import phintys.tensor as T
    >>> x = T.dvector('x')
    >>> jacobian(x ** 2, x).eval({x: [1.0, 5.0]}).tolist()
    [[2.0, 0.0], [0.0, 10.0]]
    """
    if not isinstance(expression, _core.Variable):
        raise PhintysAssertionError("tensor.jacobian expects a Variable as `expression`")
    if expression.ndim > 1:
        raise PhintysAssertionError(
            "tensor.jacobian expects a 1 dimensional variable as `expression`. If not use flatten "
            "to make it a vector"
        )
    items, use_list, use_tuple = _wrt_list(wrt)
    if expression.ndim == 0:
        results = grad(expression, items, consider_constant, disconnected_inputs)
    else:
        results = _rows_of_jacobian(expression, items, consider_constant, disconnected_inputs)
    return format_as(use_list, use_tuple, results)


def hessian(
    cost: Any, wrt: Any, consider_constant: Any = None, disconnected_inputs: str = "raise"
) -> Any:
    """The Hessian of the scalar `cost` with respect to a vector, or to each of a list of them.

    Options and errors are those of :func:`grad`; AssertionError for ranks other than these.

    >>> import phintys.tensor as T
    >>> x = T.dvector('x')
    >>> hessian((x ** 3).sum(), x).eval({x: [1.0, 2.0]}).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    if not isinstance(cost, _core.Variable):
        raise PhintysAssertionError("tensor.hessian expects a Variable as `cost`")
    if cost.ndim != 0:
        raise PhintysAssertionError("tensor.hessian expects a 0 dimensional variable as `cost`")
    items, use_list, use_tuple = _wrt_list(wrt)
    results = []
    for item in items:
        if item.ndim != 1:
            raise PhintysAssertionError(
                "tensor.hessian expects a (list of) 1 dimensional variable as `wrt`"
            )
        first = grad(cost, item, consider_constant, disconnected_inputs)
        results += _rows_of_jacobian(first, [item], consider_constant, "ignore")
    return format_as(use_list, use_tuple, results)


def hessian_vector_product(cost: Any, wrt: Any, p: Any, **grad_options: Any) -> Any:
    """The product of the Hessian of the scalar `cost` with `p`, without the Hessian itself.

    `wrt` is a variable of any rank or a list of them, and `p` has the same shapes. Returns
    variables of those shapes in the same kind of container. `grad_options` are those of
    :func:`grad`; errors are those of :func:`grad` and :func:`Rop`.

    >>> import phintys.tensor as T
    >>> x, p = T.dvectors('x', 'p')
    >>> hessian_vector_product((x ** 3).sum(), x, p).eval({x: [1., 2.], p: [1., 10.]}).tolist()
    [6.0, 120.0]
    """
    items, use_list, use_tuple = _wrt_list(wrt)
    points = _points(p, items, "Rop")
    first = grad(cost, items, **grad_options)
    results = Rop(first, items, points, disconnected_outputs="ignore")
    return format_as(use_list, use_tuple, results)


# --- checking gradients against differences ---------------------------------------------------

_STEPS = {"float64": 1e-7, "float32": 3e-4, "float16": 1e-1}
_TOLERANCES = {"float64": 1e-4, "float32": 1e-2, "float16": 5e-2}


def _part(dtype: str) -> str:
    """The dtype of the real part of a complex one; any other unchanged."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def _coarsest(arrays: Sequence[Any]) -> str:
    names = [_part(a.dtype.name) for a in arrays if a.dtype.kind in "fc"]
    for name in ("float16", "float32"):
        if name in names:
            return name
    return "float64"


class numeric_grad:
    """The gradient of a Python function by finite differences.

    ``numeric_grad(f, pt)``: `f` takes the arrays of `pt` (an array or a list) and returns a
    real number; `gf` holds the differences, in the form of `pt`. For complex arrays they are those
    by the real part plus i times those by the imaginary part.
    """

    type_eps = _STEPS

    def __init__(
        self, f: Callable[..., Any], pt: Any, eps: float | None = None, out_type: Any = None
    ) -> None:
        packed = not isinstance(pt, (list, tuple))
        points = [np.array(p) for p in ([pt] if packed else pt)]
        total = _coarsest(points)
        if out_type is not None and _part(str(out_type)) in _STEPS:
            total = _coarsest([*points, np.zeros((), out_type)])
        step = _STEPS[total] if eps is None else eps
        base = np.asarray(f(*[p.copy() for p in points]), "float64")
        self.gf: Any = []
        for p in points:
            is_complex = p.dtype.kind == "c"
            slopes = np.zeros(p.shape, "complex128" if is_complex else "float64")
            directions = (1.0, 1j) if is_complex else (1.0,)
            for where, unit in itertools.product(np.ndindex(*p.shape), directions):
                saved = p[where].copy()
                p[where] = saved + step * unit
                actual = abs(slopes.dtype.type(p[where]) - slopes.dtype.type(saved))
                shifted = np.asarray(f(*[q.copy() for q in points]), "float64")
                slopes[where] += (shifted - base) / actual * unit
                p[where] = saved
            self.gf.append(slopes)
        if packed:
            self.gf = self.gf[0]

    @staticmethod
    def abs_rel_err(a: Any, b: Any) -> tuple[Any, Any]:
        """Absolute and relative differences of two arrays."""
        absolute = np.abs(a - b)
        return absolute, absolute / np.maximum(np.abs(a) + np.abs(b), 1e-8)

    def abs_rel_errors(self, g_pt: Any) -> list[tuple[Any, Any]]:
        """Absolute and relative differences from the gradients `g_pt`."""
        own = self.gf if isinstance(self.gf, list) else [self.gf]
        return [self.abs_rel_err(a, b) for a, b in zip(g_pt, own, strict=True)]


def verify_grad(
    fun: Callable[..., Any],
    pt: Sequence[Any],
    n_tests: int = 2,
    rng: Any = None,
    eps: float | None = None,
    out_type: Any = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
    mode: Any = None,
    cast_to_output_type: bool = False,
    no_debug_ref: bool = True,
) -> None:
    """Compares the symbolic gradient of `fun` with finite differences at the point `pt`.

    Parameters
    ----------
    fun
        Takes one variable for each array of `pt` and returns a variable.
    pt
        A list of floating or complex ndarrays.
    n_tests
        Number of random projections of the output that are tried.
    rng
        A random generator; by default one seeded with ``config.unittests.rseed``.
    eps, abs_tol, rel_tol
        Step and tolerances; by default those of the least precise dtype.
    mode
        Mode of the functions compiled.

    Raises GradientError if an element differs by more than both tolerances.
    """
    import phintys

    if not isinstance(pt, (list, tuple)):
        raise PhintysTypeError("verify_grad: pt must be a list of arrays")
    points = [np.array(p) for p in pt]
    for i, p in enumerate(points):
        if _part(p.dtype.name) not in _STEPS:
            raise PhintysTypeError(
                f"verify_grad can work only with floating point inputs, but input {i} has dtype "
                f'"{p.dtype}".'
            )
    total = _coarsest(points)
    if rng is None:
        seed = config.unittests.rseed
        rng = np.random.default_rng(None if seed == "random" else int(seed))
    kinds = [TensorType(p.dtype, [n == 1 for n in p.shape]) for p in points]
    inputs = [kind(f"input {i}") for i, kind in enumerate(kinds)]
    output = fun(*inputs)
    if isinstance(output, (list, tuple)):
        raise PhintysNotImplementedError("verify_grad: fun must return a single variable")
    compute = phintys.function(inputs, output, mode=mode, on_unused_input="ignore")
    shape = compute(*points).shape
    tolerance = _TOLERANCES[_coarsest([*points, np.zeros((), output.dtype)])
                            if _part(output.dtype) in _STEPS else total]  # fmt: skip
    abs_tol = tolerance if abs_tol is None else abs_tol
    rel_tol = tolerance if rel_tol is None else rel_tol
    projection = phintys.shared(np.ones(shape, output.dtype), broadcastable=output.broadcastable)
    # Of complex outputs, weights for both parts.
    cost = (projection.conj() * output).sum().real
    gradients = grad(cost, inputs, disconnected_inputs="ignore")
    symbolic = phintys.function(inputs, gradients, mode=mode, on_unused_input="ignore")
    for test in range(n_tests):
        weights = rng.random(shape) + 0.5
        if output.dtype.startswith("complex"):
            weights = weights + 1j * (rng.random(shape) + 0.5)
        weights = weights.astype(output.dtype)
        projection.set_value(weights)

        def projected(*args: Any, weights: Any = weights) -> float:
            wide = np.result_type(weights.dtype, "float64")
            return float((compute(*args).astype(wide) * weights.conj()).sum().real)

        numeric = numeric_grad(projected, points, eps, output.dtype).gf
        for position, (exact, approximate) in enumerate(
            zip(symbolic(*points), numeric, strict=True)
        ):
            _compare(exact, approximate, position, abs_tol, rel_tol, test)


def _compare(
    exact: Any, approximate: Any, arg: int, abs_tol: float, rel_tol: float, test: int
) -> None:
    absolute, relative = numeric_grad.abs_rel_err(approximate, exact)
    worst = np.minimum(absolute / abs_tol, relative / rel_tol)
    # A NaN is never right.
    worst = np.where(np.isnan(worst), np.inf, worst)
    if not worst.size or worst.max() <= 1.0:
        return
    position = int(np.argmax(worst))
    val1, val2 = approximate.flat[position], exact.flat[position]
    raise GradientError(
        f"GradientError: numeric gradient and analytic gradient exceed tolerance:\n"
        f"        At position {position} of argument {arg} with shape {exact.shape},\n"
        f"            val1 = {val1:f}      ,  val2 = {val2:f}\n"
        f"            abs. error = {absolute.flat[position]:f},  abs. tolerance = {abs_tol:f}\n"
        f"            rel. error = {relative.flat[position]:f},  rel. tolerance = {rel_tol:f}\n"
        f"        in projection {test}"
    )
