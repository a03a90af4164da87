"""The layout of Theano-PyMC: ``theano.graph``."""
