"""What ``function`` is asked for, checked and brought into the form that the compiler takes."""

from __future__ import annotations

import warnings
from typing import Any

from phintys import _core, plugins
from phintys.compile.function_module import Build
from phintys.compile.io import In, SymbolicInput, SymbolicOutput
from phintys.compile.mode import get_mode
from phintys.compile.objects import make_function
from phintys.compile.rebuild import rebuild_collect_shared
from phintys.config import config
from phintys.errors import (
    PhintysRuntimeError,
    PhintysTypeError,
    PhintysValueError,
    UnusedInputError,
)
from phintys.tensor.sharedvar import update_expression

__all__ = ["add_default_updates", "pfunc", "rebuild_collect_shared"]

Variable = _core.Variable


def _as_input(param: Any, allow_downcast: bool | None) -> In:
    if isinstance(param, In):
        if param.allow_downcast is None and allow_downcast is not None:
            changed = object.__new__(type(param))
            changed.__dict__.update(param.__dict__)
            changed.allow_downcast = allow_downcast
            param = changed
    elif isinstance(param, SymbolicInput):
        raise PhintysTypeError(f"Use In(...) for an input, not {param}")
    elif isinstance(param, (list, tuple)):
        param = _input_from_tuple(tuple(param), allow_downcast)
    elif isinstance(param, Variable):
        param = In(param, allow_downcast=allow_downcast)
    else:
        raise PhintysTypeError(f"Unknown parameter type: {type(param)}")
    variable = param.variable
    if variable.is_constant:
        raise PhintysTypeError("Constants not allowed in param list", variable)
    if variable.is_shared:
        raise PhintysTypeError(
            f"Cannot use a shared variable ({variable}) as explicit input. Consider substituting "
            "a non-shared variable via the `givens` parameter"
        )
    return param


def _input_from_tuple(parts: tuple[Any, ...], allow_downcast: bool | None) -> In:
    """(variable, value), (name, variable) or (name, variable, value)."""
    name = None
    if len(parts) > 1 and isinstance(parts[0], str):
        name, parts = parts[0], parts[1:]
    if len(parts) not in (1, 2) or not isinstance(parts[0], Variable):
        raise PhintysTypeError(
            f"an input given as a tuple is (variable, value), (name, variable) or "
            f"(name, variable, value), got {parts}"
        )
    value = parts[1] if len(parts) == 2 else None
    return In(parts[0], name=name, value=value, allow_downcast=allow_downcast)


def _pairs(mapping: Any, what: str) -> list[tuple[Any, Any]]:
    if mapping is None:
        return []
    items = list(mapping.items()) if hasattr(mapping, "items") else list(mapping)
    for item in items:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise PhintysTypeError(f"{what} must be a dict or a list of pairs, got {item!r} in it")
    return [(a, b) for a, b in items]


def _check_givens(givens: Any, inputs: list[In], strict: bool) -> list[tuple[Any, Any]]:
    variables = {id(i.variable) for i in inputs}
    result, seen = [], set()
    for original, replacement in _pairs(givens, "givens"):
        if not isinstance(original, Variable):
            raise PhintysTypeError(f"The key {original!r} of givens is not a variable")
        if id(original) in variables:
            raise PhintysRuntimeError(
                f"You are trying to replace variable '{original}' through the `givens` parameter, "
                "but this variable is an input to your function. Replacing inputs is currently "
                "forbidden because it has no effect. One way to modify an input `x` to a function "
                "evaluating f(x) is to define a new input `y` and use "
                "`phintys.function([y], f(x), givens={x: g(y)})`."
            )
        if id(original) in seen:
            raise PhintysValueError(f"givens: {original} is replaced twice")
        seen.add(id(original))
        if strict or not isinstance(replacement, Variable):
            replacement = original.type.filter_variable(replacement)
        result.append((original, replacement))
    return result


def _check_updates(updates: Any) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for shared, expression in _pairs(updates, "updates"):
        if not isinstance(shared, Variable) or not shared.is_shared:
            raise PhintysTypeError("update target must be a SharedVariable", shared)
        if shared in result:
            raise PhintysValueError(
                "this shared variable already has an update expression",
                (shared, result[shared]),
            )
        result[shared] = update_expression(shared, expression)
    return result


def _outputs(outputs: Any) -> tuple[list[Any], str, list[str]]:
    """Variables, output mode (single, list, dict, none), keys."""
    if outputs is None:
        return [], "none", []
    if isinstance(outputs, dict):
        if not all(isinstance(k, str) for k in outputs):
            raise PhintysTypeError("if outputs is a dictionary, its keys must be strings")
        keys = sorted(outputs)
        return [_output(outputs[k]) for k in keys], "dict", keys
    if isinstance(outputs, (list, tuple)):
        return [_output(v) for v in outputs], "list", []
    return [_output(outputs)], "single", []


def _output(v: Any) -> Any:
    variable = v.variable if isinstance(v, SymbolicOutput) else v
    if not isinstance(variable, Variable):
        raise PhintysTypeError(
            f"Outputs must be variables or Out instances. Received {v} of type {type(v)}"
        )
    if not isinstance(variable.type, (_core.TensorType, _core.GenericType)):
        raise PhintysTypeError(f"{variable} of {variable.type} cannot be computed")
    return variable


def add_default_updates(
    roots: list[Any], updates: dict[Any, Any], blockers: list[Any], no_default_updates: Any
) -> None:
    """Adds the default updates of all shared variables that the function reads."""
    skip: set[int] = set()
    if isinstance(no_default_updates, (list, tuple)):
        for v in no_default_updates:
            if not isinstance(v, Variable):
                raise PhintysTypeError(
                    "no_default_updates must be a boolean or a list of variables"
                )
            skip.add(id(v))
    elif not isinstance(no_default_updates, bool):
        raise PhintysTypeError("no_default_update should be either a boolean or a list")
    elif no_default_updates:
        return
    todo = roots + list(updates.values())
    while todo:
        leaves = _core.graph_inputs(todo, blockers)
        todo = []
        for leaf in leaves:
            if not leaf.is_shared or leaf in updates or id(leaf) in skip:
                continue
            expression = leaf.__dict__.get("default_update")
            if expression is not None:
                updates[leaf] = update_expression(leaf, expression)
                todo.append(updates[leaf])


def _check_used(
    inputs: list[In], roots: list[Any], givens: list[tuple[Any, Any]], action: str | None
) -> None:
    action = config.on_unused_input if action is None else action
    if action not in ("raise", "warn", "ignore"):
        raise PhintysValueError(
            f"Invalid value for keyword on_unused_input of phintys.function: '{action}'. "
            "Valid values are 'raise', 'warn', and 'ignore'."
        )
    if action == "ignore" or not inputs:
        return
    variables = [i.variable for i in inputs]
    everything = roots + [replacement for _, replacement in givens]
    if any(v.owner is not None for v in variables):
        used = {id(v) for v in _core.ancestors(everything, variables)}
    else:
        used = {id(v) for v in _core.graph_inputs(everything, variables)}
    # The list of handles above dies, but the variables that matter live on in `inputs`.
    for index, variable in enumerate(variables):
        if id(variable) in used:
            continue
        text = (
            "phintys.function was asked to create a function computing outputs given certain "
            f"inputs, but the provided input variable at index {index} is not part of the "
            f"computational graph needed to compute the outputs: {variable}."
        )
        if action == "warn":
            warnings.warn(
                text + " To disable this warning, use on_unused_input='ignore'.", stacklevel=4
            )
        else:
            raise UnusedInputError(
                text + "\nTo make this error into a warning, you can pass the parameter "
                "on_unused_input='warn' to phintys.function. To disable it completely, use "
                "on_unused_input='ignore'."
            )


def pfunc(
    params: Any,
    outputs: Any = None,
    mode: Any = None,
    updates: Any = None,
    givens: Any = None,
    no_default_updates: Any = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
    trust_input: bool = False,
    device: Any = None,
) -> Any:
    """The work of :func:`phintys.function`, which documents the parameters."""
    inputs = [_as_input(p, allow_input_downcast) for p in params]
    seen: set[int] = set()
    for item in inputs:
        if id(item.variable) in seen:
            raise UnusedInputError(
                f"Variable {item.variable} is used twice in inputs to phintys.function. This "
                "would cause the value of one of them to be ignored"
            )
        seen.add(id(item.variable))
    variables, output_mode, keys = _outputs(outputs)
    replaced = _check_givens(givens, inputs, rebuild_strict)
    new_values = _check_updates(updates)
    state = [i for i in inputs if i.update is not None]
    roots = variables + [i.update for i in state]
    blockers = [i.variable for i in inputs] + [original for original, _ in replaced]
    add_default_updates(
        roots + [replacement for _, replacement in replaced],
        new_values,
        blockers,
        no_default_updates,
    )
    _check_used(inputs, roots + list(new_values.values()), replaced, on_unused_input)
    build = Build(
        inputs=inputs,
        outputs=variables,
        output_mode=output_mode,
        keys=keys,
        updates=new_values,
        givens=replaced,
        name=name or "",
        mode=get_mode(mode),
        profile=config.profile if profile is None else profile,
        trust_input=trust_input,
        device=plugins.device_of(config.device if device is None else device),
    )
    return make_function(build)
