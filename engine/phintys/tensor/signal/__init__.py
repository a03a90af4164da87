"""Signal processing: pooling and convolution of images."""

from phintys.tensor.signal import conv, downsample, pool

__all__ = ["conv", "downsample", "pool"]
