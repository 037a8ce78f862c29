"""What a run is made of, as a frozen dataclass, and the runs that have a name."""

from dataclasses import MISSING, dataclass, fields, replace
from math import isfinite
from typing import Any, Literal, get_args, get_type_hints

from .. import checks


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
    parametrization: Literal["graph", "usual"] = "graph"
    """Whether a position is divided by the parents it has, or by the window everywhere."""
    norm: Literal["none", "before", "after"] = "none"
    """Batch norm before or after every nonlinearity of the generator."""
    output: Literal["tanh", "identity"] = "tanh"
    """What the generator's last layer goes through."""

    discriminator_width: int = 32
    """Channels after the discriminator's first layer; every other one doubles them."""
    discriminator_norm: Literal["none", "batch", "layer"] = "none"
    """Norm in the discriminator, but for its first and last layers."""

    loss: Literal["non_saturating", "hinge", "least_squares"] = "non_saturating"
    """What both minimize."""
    batch: int = 64
    """Images in a step, real ones and generated ones."""
    steps: int = 400
    """Of training, in all; a multiple of `record`."""
    record: int = 20
    """Steps after which a line of metrics is written; on an accelerator, in one compiled call."""
    generator_rate: float = 0.01
    """Learning rate of the generator's Adam."""
    discriminator_rate: float = 2e-4
    """Learning rate of the discriminator's Adam."""
    momentum: float = 0.5
    """Of both: Adam's b1."""
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
            value, choices = getattr(self, name), get_args(kind)
            if choices and type(None) not in choices and value not in choices:
                *most, last = map(repr, choices)
                raise ValueError(f"`{name}` must be {', '.join(most)} or {last}; got {value!r}.")
        for field in fields(self):
            if field.type == "int" or field.type is int:
                least = 0 if field.name in ("convolutions", "seed") else 1
                hint = "" if field.default is MISSING else f"Try {field.default}."
                checks.whole(field.name, getattr(self, field.name), least, hint)
        if self.seed >= 2**31:
            raise ValueError(f"`seed` must be below 2^31; got {self.seed}. Try 0.")
        for name in ("save", "steps"):
            _check_multiple(name, getattr(self, name), self.record)
        for name in ("generator_rate", "discriminator_rate"):
            _check_rate(name, getattr(self, name))
        for name in ("beta", "momentum", "average"):
            _check_share(name, getattr(self, name))
        if not isfinite(checks.number("gamma", self.gamma)):
            raise ValueError(f"`gamma` must be finite; got {self.gamma}. Try 0.5.")
        if (self.data == "folder") != (self.path is not None):
            raise ValueError(
                f'`path` goes with `data` "folder", and only there; got {self.path!r} and '
                f"{self.data!r}. Give both or neither."
            )


def _check_multiple(name: str, value: int, record: int) -> None:
    if value % record:
        raise ValueError(
            f"`{name}` must be a multiple of `record`, {record}; got {value}. "
            f"Try {record * max(1, round(value / record))}."
        )


def _check_rate(name: str, value: Any) -> None:
    if not 0 < (rate := checks.number(name, value)) < float("inf"):
        raise ValueError(f"`{name}` must be positive and finite; got {rate:g}. Try 2e-4.")


def _check_share(name: str, value: Any) -> None:
    if not 0 <= (share := checks.number(name, value)) < 1:
        raise ValueError(f"`{name}` must lie in [0, 1); got {share:g}. Try 0.5.")


_FREEZE = Preset("fashion_mnist", beta=0.5, discriminator_rate=1e-3)

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
    "paper": Preset(
        "sign_digits", size=64, colours=3, latent=128, widening=2, convolutions=0, normalized=True,
        discriminator_width=64, discriminator_norm="layer", batch=128, steps=20_000, record=100,
        generator_rate=2e-4, compute="bfloat16", save=1000,
    ),
}  # fmt: skip
"""Runs by name: seconds (smoke), minutes on a CPU (freeze, edge, chaos, batchnorm), for a GPU."""
