"""Compiled functions inside other packages: SciPy's optimisers and operators, PyTorch, JAX.

Each wrapper compiles an expression together with its derivatives once, and hands the other package
an object of its own kind. Arrays cross without a copy where layout and dtype allow it. PyTorch and
JAX are imported only when their wrapper is called.

In the other direction nothing is needed: functions, shared variables and constants take arrays of
any package that has ``__dlpack__``, ``__array__`` or the buffer protocol, and results are NumPy
arrays, which export all three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from phintys import gradient, plugins
from phintys.compile.function import function
from phintys.config import config
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.type import TensorType

__all__ = ["Objective", "jax_function", "linear_operator", "objective", "torch_function"]


def _list(variables: Any, what: str) -> list[Any]:
    many = isinstance(variables, (list, tuple))
    items = list(variables) if many else [variables]
    if what == "inputs" and not items:
        raise PhintysValueError("at least one input is needed")
    return [as_tensor_variable(v) for v in items]


def _is_real(variable: Any) -> bool:
    return variable.dtype in ("float16", "float32", "float64")


class _Differentiable:
    """Outputs of inputs as a compiled function, and its backward function, made when first used.

    The backward function has the inputs and then one gradient for each output as arguments, and
    gives one gradient for each input of a floating dtype. It is a `_Differentiable` too, so
    derivatives of any order can be taken. `target`: the device that results stay on, or None.
    """

    def __init__(
        self,
        inputs: list[Any],
        outputs: list[Any],
        keywords: dict[str, Any],
        target: str | None = None,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.keywords = keywords
        self.real = [i for i, v in enumerate(inputs) if _is_real(v)]
        self.target = target
        delivered = outputs if target is None else [o.transfer(target) for o in outputs]
        self.call = function(inputs, delivered, on_unused_input="ignore", **keywords)
        self._backward: _Differentiable | None = None
        self._shapes: Any = None

    @property
    def backward(self) -> _Differentiable:
        """The function of (inputs..., output gradients...) that gives the input gradients."""
        if self._backward is None:
            floating = [o for o in self.outputs if _is_real(o)]
            seeds = {o: TensorType(o.dtype, o.broadcastable)() for o in floating}
            wrt = [self.inputs[i] for i in self.real]
            points = list(seeds.values())
            grads = (
                gradient.Lop(floating, wrt, points, disconnected_inputs="ignore")
                if floating and wrt
                else [v.zeros_like() for v in wrt]
            )
            # An output that is no floating number gets a gradient that is not looked at.
            arguments = [seeds[o] if _is_real(o) else o.type() for o in self.outputs]
            self._backward = _Differentiable(
                [*self.inputs, *arguments], grads, self.keywords, self.target
            )
        return self._backward

    def shapes(self, arrays: Sequence[Any]) -> list[tuple[int, ...]]:
        """The outputs' shapes for inputs of the shapes and dtypes of `arrays`."""
        if self._shapes is None:
            # Only lengths are computed: the passes drop the values.
            self._shapes = function(
                self.inputs, [o.shape for o in self.outputs], on_unused_input="ignore"
            )
        blanks = [
            np.broadcast_to(np.zeros((), v.dtype), a.shape)
            for v, a in zip(self.inputs, arrays, strict=True)
        ]
        return [tuple(int(n) for n in s) for s in self._shapes(*blanks)]


# --- SciPy ---------------------------------------------------------------------------------------


class Objective:
    """A cost and its derivatives as functions of one flat float64 vector.

    What ``scipy.optimize`` takes: ``minimize(o.fun, o.x0, jac=True)``, or ``o.value``, ``o.jac``,
    ``o.hessp`` one by one. ``unflatten(x)`` gives arrays of the variables' shapes; for shared
    variables ``store(x)`` sets their values.
    """

    def __init__(self, cost: Any, wrt: Any, inputs: Any, values: Any) -> None:
        self._cost = as_tensor_variable(cost)
        if self._cost.ndim:
            raise PhintysTypeError(f"objective: the cost must be a scalar, got {self._cost.type}")
        self._wrt = _list(wrt, "inputs")
        self._data = _list(inputs, "data")
        start: list[Any] = [
            w.get_value() if hasattr(w, "get_value") and values is None else None for w in self._wrt
        ]
        if values is not None:
            given = list(values) if isinstance(wrt, (list, tuple)) else [values]
            if len(given) != len(self._wrt):
                raise PhintysValueError(
                    f"objective: {len(given)} starting values for {len(self._wrt)} variables"
                )
            start = [
                w.type.filter(v, allow_downcast=True) for w, v in zip(self._wrt, given, strict=True)
            ]
        if any(s is None for s in start):
            raise PhintysValueError(
                "objective: variables that are not shared need starting values (values=...)"
            )
        self._shapes = [np.shape(s) for s in start]
        self.x0 = np.concatenate([np.asarray(s, "float64").ravel() for s in start])
        self._points = [w.type(f"{w.name or 'x'}_point") for w in self._wrt]
        self._compiled: dict[str, Any] = {}

    def _function(self, kind: str) -> Any:
        f = self._compiled.get(kind)
        if f is None:
            extra: list[Any] = []
            if kind == "value":
                outputs: Any = self._cost
            else:
                grads = gradient.grad(self._cost, self._wrt, disconnected_inputs="ignore")
                outputs = [self._cost, *grads]
                if kind == "hessp":
                    extra = [w.type() for w in self._wrt]
                    outputs = list(gradient.Rop(grads, self._wrt, extra))
            given = dict(zip(self._wrt, self._points, strict=True))
            shared = [w for w in self._wrt if hasattr(w, "get_value")]
            if len(shared) == len(self._wrt):
                f = function([*self._points, *extra, *self._data], outputs, givens=given)
            else:
                f = function([*self._wrt, *extra, *self._data], outputs, on_unused_input="ignore")
            self._compiled[kind] = f
        return f

    def unflatten(self, x: Any) -> list[Any]:
        """The parts of the vector `x` as arrays of the variables' shapes and dtypes."""
        x = np.asarray(x)
        sizes = [int(np.prod(s, dtype=np.int64)) for s in self._shapes]
        if x.shape != (sum(sizes),):
            raise PhintysValueError(
                f"objective: a vector of {sum(sizes)} numbers is needed, got shape {x.shape}"
            )
        parts = np.split(x, np.cumsum(sizes)[:-1])
        return [
            np.asarray(p.reshape(s), w.dtype)
            for p, s, w in zip(parts, self._shapes, self._wrt, strict=True)
        ]

    def store(self, x: Any) -> None:
        """Sets the shared variables to the parts of `x`."""
        for w, part in zip(self._wrt, self.unflatten(x), strict=True):
            if not hasattr(w, "set_value"):
                raise PhintysTypeError(f"objective: {w} is not a shared variable")
            w.set_value(part)

    @staticmethod
    def _flat(arrays: Sequence[Any]) -> Any:
        return np.concatenate([np.asarray(a, "float64").ravel() for a in arrays])

    def value(self, x: Any, *args: Any) -> float:
        """The cost at `x`."""
        return float(self._function("value")(*self.unflatten(x), *args))

    def fun(self, x: Any, *args: Any) -> tuple[float, Any]:
        """The cost and its gradient at `x`."""
        cost, *grads = self._function("fun")(*self.unflatten(x), *args)
        return float(cost), self._flat(grads)

    def jac(self, x: Any, *args: Any) -> Any:
        """The gradient at `x`."""
        return self.fun(x, *args)[1]

    def hessp(self, x: Any, p: Any, *args: Any) -> Any:
        """The product of the Hessian at `x` with the vector `p`."""
        f = self._function("hessp")
        return self._flat(f(*self.unflatten(x), *self.unflatten(p), *args))


def objective(cost: Any, wrt: Any, inputs: Any = (), values: Any = None) -> Objective:
    """A scalar `cost` as a function of the variables `wrt`, for ``scipy.optimize``.

    `wrt` are shared variables (their values are the start) or inputs (then `values` are). `inputs`
    are further variables, whose values are passed as SciPy's ``args``.

    >>> import phintys.tensor as T
    >>> x = T.dvector("x")
    >>> o = objective(((x - 3.0) ** 2).sum(), x, values=[0.0, 0.0])
    >>> from scipy.optimize import minimize
    >>> minimize(o.fun, o.x0, jac=True).x.round(6).tolist()
    [3.0, 3.0]
    """
    return Objective(cost, wrt, inputs, values)


def linear_operator(expression: Any, wrt: Any, at: Any = None, shape: Any = None) -> Any:
    """The Jacobian of `expression` with respect to `wrt` as SciPy's ``LinearOperator``.

    It is never formed: ``matvec`` is the R-operator, ``rmatvec`` the L-operator. The point is `at`,
    or zeros of `shape`, which is enough where the expression is linear in `wrt`. Arrays of any rank
    are flattened in C order.
    """
    from scipy.sparse.linalg import LinearOperator

    x, y = as_tensor_variable(wrt), as_tensor_variable(expression)
    if at is None and shape is None:
        raise PhintysValueError("linear_operator: give the point (at=...) or its shape (shape=...)")
    point = np.zeros(shape, x.dtype) if at is None else x.type.filter(at, allow_downcast=True)
    v, w = x.type(), y.type()
    forward = function([x, v], gradient.Rop(y, x, v), on_unused_input="ignore")
    back = function([x, w], gradient.Lop(y, x, w), on_unused_input="ignore")
    result = function([x], y.shape, on_unused_input="ignore")(point)
    y_shape = tuple(int(n) for n in result)

    def matvec(vector: Any) -> Any:
        return np.ravel(forward(point, np.asarray(vector, x.dtype).reshape(point.shape)))

    def rmatvec(vector: Any) -> Any:
        return np.ravel(back(point, np.asarray(vector, y.dtype).reshape(y_shape)))

    rows = int(np.prod(y_shape, dtype=np.int64))
    return LinearOperator(
        (rows, point.size), matvec=matvec, rmatvec=rmatvec, dtype=np.dtype(y.dtype)
    )


# --- PyTorch -------------------------------------------------------------------------------------


def torch_function(inputs: Any, outputs: Any, **keywords: Any) -> Callable[..., Any]:
    """A function on PyTorch's tensors, through which PyTorch differentiates (any order).

    `inputs` and `outputs` are variables or lists of them, `keywords` (but ``updates``) go to
    :func:`function`. Gradients are taken with respect to inputs of floating dtype. Tensors share
    memory with the arrays that the compiled function sees. A function for a GPU (``device="cuda"``)
    takes tensors there, too; results are where the first tensor is.
    """
    import torch

    single = not isinstance(outputs, (list, tuple))
    if "updates" in keywords:
        raise PhintysValueError("torch_function: updates are not differentiated; use function()")
    device = keywords.get("device")
    name = plugins.device_of(config.device if device is None else device)
    target = None if name == "cpu" else name
    kinds = {"cpu", name.partition(":")[0]}
    core = _Differentiable(_list(inputs, "inputs"), _list(outputs, "outputs"), keywords, target)

    def given(tensor: Any) -> Any:
        return tensor.detach().numpy() if tensor.device.type == "cpu" else tensor.detach()

    def result(array: Any, where: Any) -> Any:
        on_device = hasattr(array, "__dlpack__") and not isinstance(array, np.ndarray)
        if not on_device:
            return torch.from_numpy(np.asarray(array))
        return torch.from_dlpack(array).to(where)

    def wrap(part: _Differentiable) -> Any:
        class Compiled(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *tensors: Any) -> Any:
                ctx.save_for_backward(*tensors)
                results = part.call(*[given(t) for t in tensors])
                return tuple(result(r, tensors[0].device) for r in results)

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                tensors = ctx.saved_tensors
                results = iter(apply(part.backward, [*tensors, *grads]))
                return tuple(
                    next(results).to(t.device) if i in part.real else None
                    for i, t in enumerate(tensors)
                )

        return Compiled

    classes: dict[int, Any] = {}

    def apply(part: _Differentiable, tensors: list[Any]) -> Any:
        kind = classes.get(id(part))
        if kind is None:
            kind = classes[id(part)] = wrap(part)
        return kind.apply(*tensors)

    def call(*tensors: Any) -> Any:
        if len(tensors) != len(core.inputs):
            raise PhintysTypeError(
                f"the function takes {len(core.inputs)} tensors, got {len(tensors)}"
            )
        ready = []
        for tensor, v in zip(tensors, core.inputs, strict=True):
            tensor = torch.as_tensor(tensor)
            if tensor.device.type not in kinds:
                needed = " or ".join(sorted(kinds & {"cpu", "cuda"})).replace("cpu", "CPU")
                raise PhintysTypeError(
                    f"input {v}: a {needed} tensor is needed, got {tensor.device}"
                )
            ready.append(tensor)
        results = apply(core, ready)
        return results[0] if single else list(results)

    return call


# --- JAX -----------------------------------------------------------------------------------------


def jax_function(inputs: Any, outputs: Any, **keywords: Any) -> Callable[..., Any]:
    """A function on JAX's arrays that can be jitted, differentiated in reverse mode and mapped.

    `inputs` and `outputs` are variables or lists of them, `keywords` go to :func:`function`. The
    outputs' shapes must follow from the inputs' shapes; without ``jax_enable_x64`` JAX itself makes
    float32 of float64, so use float32 variables then. Gradients are taken with respect to inputs of
    floating dtype, and may be differentiated again.
    """
    import jax

    single = not isinstance(outputs, (list, tuple))
    if "updates" in keywords:
        raise PhintysValueError("jax_function: a function with updates is not pure; use function()")
    core = _Differentiable(_list(inputs, "inputs"), _list(outputs, "outputs"), keywords)

    def wrap(part: _Differentiable) -> Any:
        def run(*arrays: Any) -> Any:
            results = part.call(*[np.asarray(a) for a in arrays])
            return tuple(np.asarray(r) for r in results)

        @jax.custom_vjp
        def f(*arrays: Any) -> Any:
            shapes = part.shapes(arrays)
            specs = tuple(
                jax.ShapeDtypeStruct(s, np.dtype(o.dtype))
                for s, o in zip(shapes, part.outputs, strict=True)
            )
            return jax.pure_callback(run, specs, *arrays, vmap_method="sequential")

        def forward(*arrays: Any) -> Any:
            return f(*arrays), arrays

        def backward(arrays: Any, grads: Any) -> Any:
            filled = [
                g if _is_real(o) else np.zeros(np.shape(g), o.dtype)
                for g, o in zip(grads, part.outputs, strict=True)
            ]
            results = iter(of(part.backward)(*arrays, *filled))
            return tuple(
                next(results) if i in part.real else np.zeros(a.shape, jax.dtypes.float0)
                for i, a in enumerate(arrays)
            )

        f.defvjp(forward, backward)
        return f

    made: dict[int, Any] = {}

    def of(part: _Differentiable) -> Any:
        f = made.get(id(part))
        if f is None:
            f = made[id(part)] = wrap(part)
        return f

    def call(*arrays: Any) -> Any:
        if len(arrays) != len(core.inputs):
            raise PhintysTypeError(
                f"the function takes {len(core.inputs)} arrays, got {len(arrays)}"
            )
        ready = [
            jax.numpy.asarray(a, dtype=v.dtype) for a, v in zip(arrays, core.inputs, strict=True)
        ]
        results = of(core)(*ready)
        return results[0] if single else list(results)

    return call
