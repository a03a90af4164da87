"""``theano.scalar.basic_scipy``: the special functions as scalar ops, with their classes."""

from phintys.scalar import ops as _ops

_NAMES = """
    erf erfc erfcx erfinv erfcinv gamma gammaln psi tri_gamma gammainc gammaincc j0 j1 jv i0 i1 iv
""".split()

globals().update({name: _ops.INSTANCES[name] for name in _NAMES})
globals().update({_ops.CLASSES[name].__name__: _ops.CLASSES[name] for name in _NAMES})

__all__ = [*_NAMES, *(_ops.CLASSES[name].__name__ for name in _NAMES)]
