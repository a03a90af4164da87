"""``theano.sandbox.fourier``."""

from phintys.tensor.fourier import Fourier, fft

__all__ = ["Fourier", "fft"]
