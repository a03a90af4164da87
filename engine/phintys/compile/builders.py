"""Ops made from graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.shape import specify_shape
from phintys.tensor.type import DisconnectedType, NullType

__all__ = ["OpFromGraph"]

_WHAT = {"grad": "gradient", "lop": "gradient", "rop": "R_op"}


class _Rules:
    """The overrides of an op, which the op holds: it knows neither the op nor its OpFromGraph."""

    def __init__(self, graph: Any, kind: str, gradient: Any, tangent: Any, origin: Any) -> None:
        self.graph = graph
        self.kind = kind
        self.gradient = gradient
        self.tangent = tangent
        self.origin = origin  # the class and the arguments of the OpFromGraph

    def __reduce__(self) -> Any:
        return _Rules, (self.graph, self.kind, self.gradient, self.tangent, self.origin)

    def _gradients(self, inputs: list[Any], outputs: list[Any], grads: list[Any]) -> list[Any]:
        """Gradients by the override; None where disconnected."""
        rule = self.gradient
        if isinstance(rule, _core.Variable):
            return [_unknown(rule) for _ in inputs]
        arguments = (inputs, grads) if self.kind == "grad" else (inputs, outputs, grads)
        if not isinstance(rule, list):
            return _called_for_all(rule, arguments, len(inputs), _WHAT[self.kind])
        terms: list[Any] = [None] * len(inputs)
        default = [i for i, r in enumerate(rule) if isinstance(r, str)]
        if default:
            found = self._default_gradients(inputs, grads, default)
            for i, term in zip(default, found, strict=True):
                terms[i] = term
        for i, r in enumerate(rule):
            if r is None:
                terms[i] = inputs[i].zeros_like()
            elif isinstance(r, _core.Variable):
                terms[i] = _unknown(r)
            elif not isinstance(r, str):
                terms[i] = _called(r, arguments)
        return terms

    def _default_gradients(
        self, inputs: list[Any], grads: list[Any], wanted: list[int]
    ) -> list[Any]:
        from phintys.gradient import grad

        node_inputs, outputs = self._plain_node()
        slopes = [g.type() for g in grads]
        found = grad(
            None,
            [node_inputs[i] for i in wanted],
            known_grads=dict(zip(outputs, slopes, strict=True)),
            disconnected_inputs="ignore",
            return_disconnected="None",
            null_gradients="return",
        )
        pairs = list(zip(node_inputs + slopes, inputs + grads, strict=True))
        return [
            g if g is None or isinstance(g.type, NullType) else _core.clone([g], pairs)[0]
            for g in found
        ]

    def _plain_node(self) -> tuple[list[Any], list[Any]]:
        """New inputs, and the outputs for them of an op without overrides."""
        inputs = [v.type() for v in self.graph.inputs]
        op = _core.make_op("op_from_graph", graph=self.graph, label="", inline=False, pattern=[])
        outputs = _core.apply_op(op, inputs)
        return inputs, outputs if isinstance(outputs, list) else [outputs]

    def _tangents(self, inputs: list[Any], points: list[Any]) -> list[Any]:
        """Products of the Jacobian with `points` by the override; None where disconnected."""
        rule = self.tangent
        n = len(self.graph.outputs)
        if isinstance(rule, _core.Variable):
            return [_unknown(rule)] * n
        if isinstance(rule, OpFromGraph):
            points = [
                x.zeros_like() if p is None else p for x, p in zip(inputs, points, strict=True)
            ]
        if not isinstance(rule, list):
            return _called_for_all(rule, (inputs, points), n, "R_op")
        terms: list[Any] = []
        for i, r in enumerate(rule):
            if isinstance(r, str):
                terms.append(self._default_tangent(inputs, points, i))
            elif r is None:
                terms.append(None)
            else:
                terms.append(
                    _unknown(r) if isinstance(r, _core.Variable) else _called(r, (inputs, points))
                )
        return terms

    def _default_tangent(self, inputs: list[Any], points: list[Any], index: int) -> Any:
        from phintys.gradient import Rop

        node_inputs, outputs = self._plain_node()
        directions = [None if p is None else p.type() for p in points]
        moved = [(v, d) for v, d in zip(node_inputs, directions, strict=True) if d is not None]
        found = Rop(outputs[index], [v for v, _ in moved], [d for _, d in moved], "ignore")
        given = [p for p in points if p is not None]
        pairs = list(zip(node_inputs + [d for _, d in moved], inputs + given, strict=True))
        return _core.clone([found], pairs)[0]


class _OpFromGraphClass(type):
    """isinstance() of an op of the graph that was made by an OpFromGraph is true."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if isinstance(instance, _core.Op):
            return bool(instance.name == "op_from_graph")
        return super().__instancecheck__(instance)


class OpFromGraph(metaclass=_OpFromGraphClass):
    """An op that computes a graph: ``OpFromGraph(inputs, outputs)``.

    It is one node in the user's graph, that is printed, merged and differentiated as one. When a
    function is compiled, the expression takes its place and is optimised together with what lies
    around it, so it costs nothing at run time.

    Parameters
    ----------
    inputs
        Variables that the outputs are computed from. Shared variables need not be named: the node
        gets them as further inputs.
    outputs
        A list of expressions.
    inline
        Kept for Theano's programs: whether or not, the op is expanded when a function is compiled.
    grad_overrides
        What stands in place of the op's gradient:

        - ``'default'``: nothing, it is that of the graph;
        - a callable: it gets the list of inputs and the list of output gradients, and returns a
          list with one gradient for each input;
        - an OpFromGraph, called with the inputs and then the output gradients;
        - a variable of NullType or DisconnectedType: of all inputs;
        - a list with one of these for each input; callables return one variable then. None stands
          for zero.
    lop_overrides
        The same with three arguments: inputs, outputs, output gradients. At most one of both.
    rop_overrides
        In place of the product of the Jacobian with a direction: a callable of inputs and
        directions, an OpFromGraph, or a list of them for each output. A direction is None where it
        is zero.
    connection_pattern
        For each input a list that says for each output whether gradients pass; by default as the
        graph and the overrides say.
    name
        Printed as the op's name.
    kwargs
        ``pullback`` and ``pushforward`` are later names of `lop_overrides` and `rop_overrides`.
        What Theano passes on to the function that it compiles is kept as an attribute.

    >>> import phintys.tensor as T
    >>> x, y = T.dscalars('x', 'y')
    >>> op = OpFromGraph([x, y], [x + y * x])
    >>> a, b = T.dscalars('a', 'b')
    >>> float(op(a * 2, b).eval({a: 1.0, b: 3.0}))
    8.0
    """

    def __init__(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        inline: bool = False,
        lop_overrides: Any = "default",
        grad_overrides: Any = "default",
        rop_overrides: Any = "default",
        connection_pattern: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(outputs, list):
            raise PhintysTypeError(f"outputs must be list, got {type(outputs)}")
        inputs = list(inputs)
        for v in inputs + outputs:
            if not isinstance(v, _core.Variable):
                raise PhintysTypeError(f"inputs and outputs must be Variable instances, got {v!r}")
        if "updates" in kwargs or "givens" in kwargs:
            raise PhintysTypeError("updates and givens are not allowed here")
        if name is not None and not isinstance(name, str):
            raise PhintysTypeError(f"name must be None or a string, got {type(name)}")
        lop_overrides = _later_name(kwargs, "pullback", "lop_overrides", lop_overrides)
        rop_overrides = _later_name(kwargs, "pushforward", "rop_overrides", rop_overrides)
        if lop_overrides != "default" and grad_overrides != "default":
            raise PhintysValueError("lop_overrides and grad_overrides are mutually exclusive")
        self.kwargs = kwargs
        self.is_inline = bool(inline)
        self.name = name
        self._inputs, self._outputs = inputs, outputs
        self.shared_inputs = [
            v for v in _core.graph_inputs(outputs, inputs) if v.is_shared and not _among(v, inputs)
        ]
        self._kind, self._gradient = "grad", grad_overrides
        if lop_overrides != "default":
            self._kind, self._gradient = "lop", lop_overrides
        self._tangent = rop_overrides
        self._connection = connection_pattern
        self._make_op()

    def _make_op(self) -> None:
        leaves = self._inputs + self.shared_inputs
        stand_ins = [v.type(v.name) if v.is_shared else v for v in leaves]
        pairs = [(v, s) for v, s in zip(leaves, stand_ins, strict=True) if v is not s]
        outputs = list(_core.clone(self._outputs, pairs)) if pairs else self._outputs
        self.graph = _core.InnerGraph(stand_ins, outputs)
        self._gradient = self._checked(self._gradient, self._kind, len(leaves), len(self._inputs))
        self._tangent = self._checked(self._tangent, "rop", len(outputs), len(outputs))
        op = _core.make_op(
            "op_from_graph",
            graph=self.graph,
            label=self.name or "",
            inline=self.is_inline,
            pattern=self._pattern(),
        )
        gradient, tangent = self._gradient != "default", self._tangent != "default"
        if gradient or tangent:
            rules = _Rules(self.graph, self._kind, self._gradient, self._tangent, self.__reduce__())
            op = _core.with_rules(op, rules, gradient, tangent)
        self._op = op

    def _checked(self, given: Any, kind: str, n: int, n_named: int) -> Any:
        """An override, checked; a list gets defaults for shared variables."""
        what = _WHAT[kind]
        if isinstance(given, (list, tuple)):
            items = list(given)
            if len(items) not in (n, n_named):
                raise PhintysValueError(f"Need to override {n_named} {what}s, got {len(items)}")
            return [self._one(g, what) for g in items] + ["default"] * (n - len(items))
        if given is None:
            raise PhintysTypeError(f"Cannot override {what}: None is for entries of a list")
        if isinstance(given, OpFromGraph):
            expected = {
                "grad": len(self.local_inputs) + len(self.local_outputs),
                "lop": len(self.local_inputs) + 2 * len(self.local_outputs),
                "rop": 2 * len(self.local_inputs),
            }[kind]
            if len(given.local_inputs) != expected:
                raise PhintysValueError(
                    f"overriding {what}: the OpFromGraph needs {expected} inputs, it has "
                    f"{len(given.local_inputs)}"
                )
        return self._one(given, what)

    @staticmethod
    def _one(given: Any, what: str) -> Any:
        if isinstance(given, (DisconnectedType, NullType)):
            given = given()
        if given is None or (isinstance(given, str) and given == "default"):
            return given
        if isinstance(given, _core.Variable):
            if isinstance(given.type, (DisconnectedType, NullType)):
                return given
            raise PhintysValueError(
                f"Overriding {what}: a variable must be of DisconnectedType or NullType, not "
                f"{given.type}"
            )
        if not callable(given):
            raise PhintysTypeError(
                f"Overriding {what}: expected a callable, an OpFromGraph or a variable of "
                f"DisconnectedType or NullType, got {given!r}"
            )
        return given

    def _pattern(self) -> list[int]:
        n_in, n_out = len(self.local_inputs), len(self.local_outputs)
        if self._connection is not None:
            rows = [[bool(c) for c in row] for row in self._connection]
            rows += [[True] * n_out for _ in range(n_in - len(rows))]
            if len(rows) != n_in or any(len(row) != n_out for row in rows):
                raise PhintysValueError(
                    f"connection_pattern must have {n_in} rows of {n_out} truth values"
                )
            return [int(c) for row in rows for c in row]
        if isinstance(self._gradient, str):
            return []
        from phintys.gof.graph import io_connection_pattern

        pattern = io_connection_pattern(self.local_inputs, self.local_outputs)
        for i in range(n_in):
            rule = self._gradient[i] if isinstance(self._gradient, list) else self._gradient
            if isinstance(rule, _core.Variable):
                pattern[i] = [isinstance(rule.type, NullType)] * n_out
            elif rule != "default":
                pattern[i] = [True] * n_out
        return [int(c) for row in pattern for c in row]

    # --- what programs look at ----------------------------------------------------------------

    @property
    def local_inputs(self) -> list[Any]:
        """The inputs of the graph inside, those for shared variables last."""
        return list(self.graph.inputs)

    @property
    def local_outputs(self) -> list[Any]:
        """The outputs of the graph inside."""
        return list(self.graph.outputs)

    @property
    def input_types(self) -> list[Any]:
        """The types of the inputs."""
        return [v.type for v in self.local_inputs]

    @property
    def output_types(self) -> list[Any]:
        """The types of the outputs."""
        return [v.type for v in self.local_outputs]

    def connection_pattern(self, node: Any = None) -> list[list[bool]]:
        """For each input whether gradients pass to it from each output."""
        flat = self._op.attrs["pattern"]
        if not flat:
            from phintys.gof.graph import io_connection_pattern

            return io_connection_pattern(self.local_inputs, self.local_outputs)
        n = len(self.local_outputs)
        return [[bool(c) for c in flat[i : i + n]] for i in range(0, len(flat), n)]

    def set_grad_overrides(self, grad_overrides: Any) -> None:
        """Sets the override of the gradient, for nodes made from now on."""
        self._kind, self._gradient = "grad", grad_overrides
        self._make_op()

    def set_lop_overrides(self, lop_overrides: Any) -> None:
        """Sets the override of the gradient, for nodes made from now on."""
        self._kind, self._gradient = "lop", lop_overrides
        self._make_op()

    def set_rop_overrides(self, rop_overrides: Any) -> None:
        """Sets the override of the R-operator, for nodes made from now on."""
        self._tangent = rop_overrides
        self._make_op()

    # --- application --------------------------------------------------------------------------

    def _operands(self, inputs: Sequence[Any]) -> list[Any]:
        types = self.input_types
        expected = len(types) - len(self.shared_inputs)
        if len(inputs) != expected:
            raise PhintysValueError(f"Expected {expected} inputs, got {len(inputs)}")
        named = [_fitting(t, x) for t, x in zip(types, inputs, strict=False)]
        return named + self.shared_inputs

    def make_node(self, *inputs: Any) -> Any:
        """The application of the op to `inputs`."""
        result = _core.apply_op(self._op, self._operands(inputs))
        return (result[0] if isinstance(result, list) else result).owner

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        """The output for `inputs`, or the list of outputs if there are several."""
        result = _core.apply_op(self._op, self._operands(inputs))
        outputs = result if isinstance(result, list) else [result]
        if kwargs.get("name") is not None:
            outputs[0].name = kwargs["name"]
        return outputs if len(outputs) != 1 or kwargs.get("return_list") else outputs[0]

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, _core.Op):
            return bool(self._op == other)
        return self is other

    def __hash__(self) -> int:
        return hash(self._op)

    def __str__(self) -> str:
        return str(self._op)

    __repr__ = __str__

    def __reduce__(self) -> Any:
        arguments = (
            self._inputs,
            self._outputs,
            self.is_inline,
            self._gradient if self._kind == "lop" else "default",
            self._gradient if self._kind == "grad" else "default",
            self._tangent,
            self._connection,
            self.name,
        )
        return type(self), arguments


def _later_name(kwargs: dict[str, Any], later: str, name: str, given: Any) -> Any:
    """An override under either of its names."""
    value = kwargs.pop(later, None)
    if value is None:
        return given
    if given != "default":
        raise PhintysValueError(f"{later} and {name} are mutually exclusive")
    return value


def _fitting(kind: Any, x: Any) -> Any:
    """`x` as a variable of a type, with what that says of lengths."""
    x = kind.filter_variable(x)
    known = zip(kind.shape, x.type.shape, strict=True)
    return x if all(n is None or n == m for n, m in known) else specify_shape(x, kind.shape)


def _among(v: Any, variables: Sequence[Any]) -> bool:
    return any(v is w for w in variables)


def _unknown(rule: Any) -> Any:
    return None if isinstance(rule.type, DisconnectedType) else rule


def _term(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, _core.Variable):
        value = as_tensor_variable(value)
    return None if isinstance(value.type, DisconnectedType) else value


def _called(rule: Callable[..., Any], arguments: tuple[list[Any], ...]) -> Any:
    """The one value of an override that stands in a list."""
    if isinstance(rule, OpFromGraph):
        return _term(rule(*[v for part in arguments for v in part]))
    return _term(rule(*arguments))


def _called_for_all(
    rule: Callable[..., Any], arguments: tuple[list[Any], ...], n: int, what: str
) -> list[Any]:
    if isinstance(rule, OpFromGraph):
        values = rule(*[v for part in arguments for v in part], return_list=True)
    else:
        values = rule(*arguments)
    if not isinstance(values, (list, tuple)):
        raise PhintysTypeError(
            f"{what} overriding function should return a list, got {type(values)}"
        )
    if len(values) != n:
        raise PhintysValueError(
            f"{what} overriding function should return a list of {n} outputs, got {len(values)}"
        )
    return [_term(v) for v in values]


def _core_op(rules: _Rules) -> Any:
    """The op that has these rules; pickles of ops with overrides name it."""
    kind, arguments = rules.origin
    return kind(*arguments)._op
