"""``theano.tensor.inplace``: the elementwise functions under their names with ``_inplace``.

In Theano these ask that the result overwrite the first operand. Phintys plans memory itself, so
they are the plain functions.
"""

from __future__ import annotations

from typing import Any

from phintys.tensor import special as _special
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.elemwise import function_named

_NAMES = """
    lt gt le ge eq neq and_ or_ xor invert abs_ exp exp2 expm1 neg inv log log1p log2 log10 sgn ceil
    floor trunc round_half_to_even round_half_away_from_zero sqr sqrt deg2rad rad2deg cos arccos sin
    arcsin tan arctan arctan2 cosh arccosh sinh arcsinh tanh arctanh erf erfc erfcx gamma gammaln
    psi tri_gamma gammainc gammaincc j0 j1 jv i0 i1 iv second maximum minimum add sub mul true_div
    int_div mod pow conj isnan isinf switch identity
""".split()

globals().update({f"{name}_inplace": function_named(name) for name in _NAMES})
chi2sf_inplace = _special.chi2sf
gammau_inplace = _special.gammau
gammal_inplace = _special.gammal
fill_inplace = function_named("second")


def transpose_inplace(x: Any) -> Any:
    """The transpose of `x`."""
    return as_tensor_variable(x).T


__all__ = [
    *(f"{name}_inplace" for name in _NAMES),
    "chi2sf_inplace",
    "fill_inplace",
    "gammal_inplace",
    "gammau_inplace",
    "transpose_inplace",
]
