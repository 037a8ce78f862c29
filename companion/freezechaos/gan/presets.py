"""What a run is made of, as a frozen dataclass, and the runs that have a name."""

from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import numpy as np

from .. import activations, checks


@dataclass(frozen=True)
class Preset:
    """A run: images, generator, discriminator, training.

    Raises:
        ValueError, TypeError: an attribute outside its range.
    """

    data: Literal["digits", "shapes", "glyphs", "mnist", "fashion_mnist", "sign_digits", "folder"]
    """The image set, as in freezechaos.data."""
    path: str | None = None
    """Of your pictures, where `data` is "folder"."""
    size: Literal[16, 32, 64, 128] = 32
    """Pixels along a side."""
    colours: Literal[1, 3] = 1
    """1 is grey, 3 is colour."""

    latent: int = 64
    """Entries of the latent vector."""
    width: int = 64
    """Channels of the generator before its last layer."""
    widening: int = 1
    """How many times as many channels it has at every halving of the size; DCGAN's is 2."""
    convolutions: int = 2
    """Of stride 1 before every up-sampling; depth is what freezes."""
    upsampling: Literal["transposed", "resize", "sub_pixel"] = "transposed"
    """How the grid is doubled."""
    activation: str = "relu"
    """A name that activations.standardized knows."""
    normalized: bool = False
    """Whether the activation has mean 0; standardized it is anyway."""
    beta: float = 0.1
    """Share of the bias, in [0, 1)."""
    parametrization: Literal["graph", "usual", "gain"] = "graph"
    """What a position's inputs are divided by: the parents it has, the window, or the window with
    the gain that keeps the variance inside the image."""
    weights: Literal["normal", "dcgan"] = "normal"
    """Weights and biases from N(0, 1), or the DCGAN's: of standard deviation 0.02, without bias,
    and learned at one rate whatever the parametrization multiplies them by."""
    norm: Literal["none", "before", "after"] = "none"
    """Batch norm before or after every nonlinearity of the generator."""
    norm_parameters: bool = False
    """Whether that batch norm has a gain and a shift for each channel, as the DCGAN's has."""
    output: Literal["tanh", "identity"] = "tanh"
    """What the generator's last layer goes through."""

    discriminator_width: int = 32
    """Channels after the discriminator's first layer; every other one doubles them."""
    discriminator_norm: Literal["none", "batch", "layer", "spectral"] = "none"
    """Norm in the discriminator, but for its first and last layers; spectral norm is of all its
    weights."""

    loss: Literal["non_saturating", "hinge", "least_squares", "relativistic"] = "non_saturating"
    """What both minimize."""
    penalty: Literal["none", "r1", "r1_r2"] = "none"
    """On the discriminator's squared slope at real images, or at real and generated ones."""
    penalty_weight: float = 1.0
    """What the penalty is times."""
    batch: int = 64
    """Images in a step, real ones and generated ones."""
    steps: int = 400
    """Of training, in all; a multiple of `record`."""
    record: int = 20
    """Steps after which a line of metrics is written; on an accelerator, in one compiled call."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """Of the generator; "sgd" is plain gradient descent on batches. The discriminator has Adam."""
    generator_rate: float = 0.01
    """Learning rate of the generator's optimizer."""
    discriminator_rate: float = 2e-4
    """Learning rate of the discriminator's Adam."""
    momentum: float = 0.5
    """Adam's b1, of both."""
    gamma: float = 0.0
    """Layer-wise rates of the generator fall like S^(-gamma l); 1/2 balances them in freeze."""
    average: float = 0.999
    """Decay of the exponential moving average of the generator, in [0, 1); less in early steps."""
    compute: Literal["float32", "bfloat16"] = "float32"
    """What the networks compute in; weights are float32."""
    seed: int = 0
    """Of weights, batches and latents."""

    save: int = 100
    """Steps between checkpoints; a multiple of `record`."""
    keep: int = 3
    """Checkpoints kept."""

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            object.__setattr__(self, name, _converted(name, getattr(self, name), kind))
        if self.activation not in activations.NAMED:
            raise ValueError(
                f"`activation` must be one of {', '.join(activations.NAMED)}; "
                f"got {self.activation!r}."
            )
        if self.seed >= 2**31:
            raise ValueError(f"`seed` must be below 2^31; got {self.seed}. Try 0.")
        for name in ("save", "steps"):
            _check_multiple(name, getattr(self, name), self.record)
        for name in ("generator_rate", "discriminator_rate", "penalty_weight"):
            _check_positive(name, getattr(self, name))
        for name in ("beta", "momentum", "average"):
            _check_share(name, getattr(self, name))
        if not isfinite(self.gamma):
            raise ValueError(f"`gamma` must be finite; got {self.gamma}. Try 0.5.")
        if self.weights == "dcgan" and (self.beta == 0 or self.parametrization == "graph"):
            raise ValueError(
                '`weights` "dcgan" need a `beta` above 0, which their biases are learned through, '
                'and the `parametrization` "usual" or "gain", in which a layer has one scale; got '
                f"{self.beta:g} and {self.parametrization!r}."
            )
        if self.norm_parameters and self.norm == "none":
            raise ValueError(
                '`norm_parameters` are those of a batch norm; got True with `norm` "none". '
                'Take norm="before".'
            )
        if (self.data == "folder") != (self.path is not None):
            raise ValueError(
                f'`path` goes with `data` "folder", and only there; got {self.path!r} and '
                f"{self.data!r}. Give both or neither."
            )


_FEWEST = {"convolutions": 0, "seed": 0}  # all other integers are 1 or more


def _converted(name: str, value: Any, kind: Any) -> Any:
    """An attribute as the Python value that JSON keeps, if it is of its kind."""
    choices = get_args(kind)
    if type(None) in choices:
        return None if value is None else str(Path(value).expanduser().absolute())
    if kind is bool:
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"`{name}` must be True or False; got {value!r}.")
        return bool(value)
    if kind is float:
        return checks.number(name, value)
    if kind is int or (choices and isinstance(choices[0], int)):
        hint = f"Try {choices[0]}." if choices else "Try 1."
        value = checks.whole(name, value, _FEWEST.get(name, 1), hint)
    if choices and value not in choices:
        *most, last = map(repr, choices)
        raise ValueError(f"`{name}` must be {', '.join(most)} or {last}; got {value!r}.")
    return value


def _check_multiple(name: str, value: int, record: int) -> None:
    if value % record:
        raise ValueError(
            f"`{name}` must be a multiple of `record`, {record}; got {value}. "
            f"Try {record * max(1, round(value / record))}."
        )


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < inf:
        raise ValueError(f"`{name}` must be positive and finite; got {value:g}. Try 2e-4.")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"`{name}` must lie in [0, 1); got {value:g}. Try 0.5.")


_FREEZE = Preset("fashion_mnist", beta=0.5, discriminator_rate=1e-3)

_DCGAN = Preset(
    "sign_digits", size=64, colours=3, latent=100, widening=2, convolutions=0,
    parametrization="gain", weights="dcgan", norm="before", norm_parameters=True,
    discriminator_width=64, discriminator_norm="batch", batch=128, steps=20_000, record=100,
    generator_rate=2e-4, save=1000,
)  # fmt: skip
# 0.01 for weights of deviation 1 is what 2e-4 is for those of 0.02.
_WITHOUT_NORM = replace(
    _DCGAN, norm="none", norm_parameters=False, weights="normal", parametrization="graph",
    generator_rate=0.01,
)  # fmt: skip

PRESETS = {
    "smoke": Preset(
        "digits", size=16, latent=16, width=16, convolutions=1, normalized=True,
        discriminator_width=16, batch=32, steps=200, generator_rate=0.005,
        discriminator_rate=1e-3, average=0.99,
    ),
    "freeze": _FREEZE,
    "edge": replace(_FREEZE, beta=0.0),
    "chaos": replace(_FREEZE, beta=0.1, normalized=True),
    "batchnorm": replace(_FREEZE, norm="after"),
    "dcgan": _DCGAN,
    "dcgan_chaos": replace(_WITHOUT_NORM, normalized=True),
    "dcgan_freeze": replace(_WITHOUT_NORM, beta=0.5),
}  # fmt: skip
"""Runs by name: seconds (smoke), minutes on a CPU (freeze, edge, chaos, batchnorm); the DCGAN of
Radford et al. on colour images of 64 x 64, and without its batch norm in chaos and in freeze, all
three for a GPU."""
