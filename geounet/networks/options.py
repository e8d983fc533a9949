"""What a U-Net is made of, as plain words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geounet.errors import ModelError

Activation = Literal["relu", "elu", "gelu"]
Up = Literal["transposed", "nearest", "bilinear"]
Initial = Literal["he_normal", "he_uniform", "glorot_uniform"]


@dataclass(frozen=True, kw_only=True)
class UNetOptions:
    """What a U-Net, plain or nested, is made of; its depth is the number of `filters`."""

    bands: int = 3
    """Bands of the input."""
    classes: int = 1
    """Maps of the output."""
    softmax: bool = False
    """The classes exclude each other: probabilities of a pixel add up to one."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise laid over the input in training."""
    stem: int = 16
    """Filters of a 3 × 3 stem at half resolution; 0 starts at full resolution."""
    sharpen: bool = True
    """After a stem, one convolution at full resolution; False places its pixels from the half."""
    filters: tuple[int, ...] = (32, 64, 128, 256)
    """Filters of each level, from the finest to the bottleneck."""
    pool_last: bool = True
    """Pool before the bottleneck too; False keeps it at the last block's resolution."""
    convolutions: int = 2
    """Convolutions of each encoder block."""
    decoder_convolutions: int = 1
    """Convolutions of each decoder block, 0 to join alone; fewer make the field smaller."""
    kernel: int = 3
    """Edge of their kernels; an even one sees a pixel more to the right and below."""
    separable: bool = False
    """Each convolution is one a channel, then one across channels (depthwise, pointwise)."""
    residual: bool = False
    """What goes into a block is added to what comes out of it."""
    normalise: bool = True
    """Batch normalisation after each convolution. Other kinds take their mean over the whole
    tile, so that no halo would make tiles exact."""
    bias: bool = False
    """A bias before the normalisation too; without normalisation there always is one."""
    activation: Activation = "relu"
    """Non-linearity after each convolution."""
    dropout: tuple[float, ...] = ()
    """Share of values dropped after a block's first convolution, by level; the decoder's too."""
    head_dropout: float = 0.0
    """The same before the head."""
    up: Up = "transposed"
    """Up-sampling: a 2 × 2 transposed convolution, nearest neighbour, or bilinear."""
    up_kernel: int = 1
    """Edge of the convolution that goes with nearest or bilinear; 0 for none."""
    deep_supervision: bool = False
    """In training, maps of coarser levels too: a tuple, the final one first."""
    initial: Initial = "he_normal"
    """Draw of the first weights (He et al. 2015, arXiv:1502.01852; Glorot and Bengio 2010)."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        counts = self.bands, self.classes, self.convolutions, self.kernel
        least = min(self.stem, self.decoder_convolutions, self.up_kernel)
        if not self.filters or min(*counts, *self.filters) < 1 or least < 0:
            raise ModelError(f"every count of a U-Net must be at least 1, got {self}")
        if len(self.dropout) not in (0, len(self.filters)):
            raise ModelError(
                f"dropout names {len(self.dropout)} levels, filters {len(self.filters)}; "
                "name one share for each"
            )
        shares = (*self.dropout, self.head_dropout)
        if min(shares) < 0 or max(shares) > 1:
            raise ModelError(f"dropout is a share from 0 to 1, got {shares}; try 0.1")
        if self.softmax and self.classes < 2:  # noqa: PLR2004 - one class is always certain
            raise ModelError("softmax needs 2 classes at least, got 1; name the background too")

    @property
    def factors(self) -> tuple[int, ...]:
        """How much finer each level is than the next."""
        between = [2] * (len(self.filters) - 1)
        return (*between[:-1], 2 if self.pool_last else 1) if between else ()

    @property
    def stride(self) -> int:
        """Total stride: sizes of the input are multiples of it."""
        stride = 2 if self.stem else 1
        for factor in self.factors:
            stride *= factor
        return stride

    def drops(self, level: int) -> float:
        """Share dropped at a level."""
        return self.dropout[level] if self.dropout else 0.0
