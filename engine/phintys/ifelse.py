"""Lazy choices: only the branch that the condition takes is computed.

``switch(c, a, b)`` chooses element by element, so it computes both `a` and `b`; ``ifelse(c, a, b)``
has one scalar condition and computes one of the two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.op_classes import OpClass

__all__ = ["IfElse", "ifelse"]


def _is_sparse(x: Any) -> bool:
    return hasattr(x, "parts") and not isinstance(x, _core.Variable)


def _as_variable(x: Any) -> Any:
    return x if _is_sparse(x) else as_tensor_variable(x)


def _same_type(a: Any, b: Any) -> bool:
    """Theano's equality of types, in which lengths other than 1 have no part."""
    if _is_sparse(a) or _is_sparse(b):
        return bool(a.type == b.type)
    return bool(a.dtype == b.dtype and a.broadcastable == b.broadcastable)


class IfElse(metaclass=OpClass):
    """``IfElse(n_outs)(condition, *values)``: the first `n_outs` values or the others.

    ``isinstance(node.op, IfElse)`` tells nodes that :func:`ifelse` made. `as_view` and `gpu` are
    Theano's and have no effect: values are never copied for a choice.
    """

    op_names = ("ifelse",)

    def __init__(
        self, n_outs: int, as_view: bool = False, gpu: bool = False, name: str | None = None
    ) -> None:
        self.n_outs = n_outs
        self.as_view = as_view
        self.gpu = gpu
        self.name = name

    def __call__(self, c: Any, *args: Any, return_list: bool = False) -> Any:
        if len(args) != 2 * self.n_outs:
            raise PhintysValueError(
                f"Wrong number of arguments to make_node: expected {2 * self.n_outs}, "
                f"got {len(args)}"
            )
        condition = as_tensor_variable(np.array(c) if isinstance(c, bool) else c)
        if condition.ndim > 0:
            raise PhintysTypeError(
                "Condition given to the op has to be a scalar with 0 standing for False, anything "
                "else for True"
            )
        values = [_as_variable(x) for x in args]
        pairs = list(zip(values[: self.n_outs], values[self.n_outs :], strict=True))
        for t, f in pairs:
            if not _same_type(t, f):
                raise PhintysTypeError(
                    "IfElse requires same types for true and false return values: "
                    f"{t} and {f} are {t.type} and {f.type}"
                )
        outputs = self._choose(condition, pairs)
        return outputs if return_list or len(outputs) > 1 else outputs[0]

    def _choose(self, condition: Any, pairs: list[tuple[Any, Any]]) -> list[Any]:
        # A sparse matrix is a bundle of tensors.
        thens = [p for t, _ in pairs for p in getattr(t, "parts", (t,))]
        elses = [p for _, f in pairs for p in getattr(f, "parts", (f,))]
        made = _core.apply(
            "ifelse",
            [condition, *thens, *elses],
            n_outputs=len(thens),
            label=self.name or "",
        )
        results = iter(made if isinstance(made, list) else [made])
        outputs: list[Any] = []
        for t, _ in pairs:
            if _is_sparse(t):
                from phintys.sparse.variable import SparseVariable

                parts = type(t.parts)(*[next(results) for _ in t.parts])
                outputs.append(SparseVariable(t.type, parts))
            else:
                outputs.append(next(results))
        return outputs

    def __str__(self) -> str:
        return "if{" + (self.name or "") + "}"


def ifelse(condition: Any, then_branch: Any, else_branch: Any, name: str | None = None) -> Any:
    """`then_branch` if the condition holds, else `else_branch`; the other one is not computed.

    What only one branch needs, runs only if that branch is taken: also checks, prints, and other
    choices inside it. What something else needs too is computed in any case. Gradients are lazy in
    the same way.

    Parameters
    ----------
    condition
        A scalar of any dtype; 0 is false.
    then_branch, else_branch
        A variable each, or lists of as many variables. The types must be the same: dtype, number of
        dimensions, and which dimensions are broadcastable; lengths may differ.
    name
        For messages and printed graphs.

    Returns
    -------
    A variable for a variable, a list or tuple for a list or tuple, even of one element.

    Raises TypeError if the types of the branches differ or the condition is no scalar, ValueError
    if the numbers of values differ.

    >>> import phintys, phintys.tensor as T
    >>> c, x = T.bscalar('c'), T.dvector('x')
    >>> f = phintys.function([c, x], ifelse(c, x.sum(), x.prod()))
    >>> float(f(1, [2, 3, 4])), float(f(0, [2, 3, 4]))
    (9.0, 24.0)
    """
    kind = type(then_branch) if type(then_branch) in (list, tuple) else None
    thens = list(then_branch) if isinstance(then_branch, (list, tuple)) else [then_branch]
    elses = list(else_branch) if isinstance(else_branch, (list, tuple)) else [else_branch]
    pairs = [(_as_variable(t), _as_variable(f)) for t, f in zip(thens, elses, strict=False)]
    for t, f in pairs:
        if not _same_type(t, f):
            raise PhintysTypeError(
                f"The two branches should have identical types, but they are {t.type} and {f.type} "
                "respectively. This error could be raised if for example you provided a one "
                "element list on the `then` branch but a tensor on the `else` branch."
            )
    if len(thens) != len(elses):
        raise PhintysValueError(
            "The number of values on the `then` branch should have the same number of variables as "
            f"the `else` branch : (variables on `then` {len(thens)}, variables on `else` "
            f"{len(elses)})"
        )
    if not pairs:
        raise PhintysValueError("ifelse: there is nothing to choose: the branches are empty")
    op = IfElse(len(pairs), name=name)
    outputs = op(condition, *[t for t, _ in pairs], *[f for _, f in pairs], return_list=True)
    if kind is None:
        return outputs[0]
    return kind(outputs)
