"""Small helpers, under the names of ``theano.misc``."""
