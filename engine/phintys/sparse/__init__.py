"""Sparse matrices in expressions: ``phintys.sparse``.

>>> import numpy as np, scipy.sparse, phintys, phintys.tensor as T
>>> from phintys import sparse
>>> x = sparse.csr_matrix('x', dtype='float64')
>>> f = phintys.function([x], sparse.dot(x, T.ones((3,))))
>>> f(scipy.sparse.csr_matrix(np.eye(3)[:2]))
array([1., 1.])

Needs SciPy, whose matrices are the values of sparse variables.
"""

from phintys.sparse import basic, compilation, op_classes
from phintys.sparse.basic import *  # noqa: F403
from phintys.sparse.op_classes import *  # noqa: F403
from phintys.sparse.sharedvar import SparseSharedVariable, shared, sparse_constructor
from phintys.sparse.type import SparseType
from phintys.sparse.utils import hash_from_sparse
from phintys.sparse.variable import SparseConstant, SparseConstantSignature, SparseVariable

enable_sparse = True

__all__ = [
    "SparseConstant",
    "SparseConstantSignature",
    "SparseSharedVariable",
    "SparseType",
    "SparseVariable",
    "compilation",
    "enable_sparse",
    "hash_from_sparse",
    "shared",
    "sparse_constructor",
]
__all__ += basic.__all__ + op_classes.__all__
