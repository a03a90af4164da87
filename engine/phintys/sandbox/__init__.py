"""Module names that ``theano.sandbox`` has."""
