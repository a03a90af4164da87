"""Signal processing: pooling and convolution of images."""

from phintys.tensor.signal import conv, downsample, pool
from phintys.tensor.signal.convolution import convolve1d, convolve2d

__all__ = ["conv", "convolve1d", "convolve2d", "downsample", "pool"]
