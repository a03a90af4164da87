"""Tools for tests of programs and ops: ``theano.tests``."""
