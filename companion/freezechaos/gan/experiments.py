"""The experiments of Part V as data: what varies, from how many seeds, when images are kept.

One entry of `EXPERIMENTS` is one question. `study` runs and reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from .presets import PRESETS, Preset

Changes = Mapping[str, Any]

FREEZE: Changes = {"beta": 0.5}
EDGE: Changes = {"beta": 0.0}
CHAOS: Changes = {"beta": 0.1, "normalized": True}
BATCHNORM: Changes = {"beta": 0.5, "norm": "after"}

SMALL = replace(
    PRESETS["freeze"], size=16, latent=32, width=32, discriminator_width=16, batch=32,
    steps=600, save=600,
)  # fmt: skip
"""Seven affine maps to 16 x 16; ten seconds a run on a core."""
LARGE = replace(SMALL, size=32, latent=64, steps=10_000, record=100, save=500)
"""Ten affine maps to 32 x 32; minutes a run on a core."""
_EARLY = (0, 1, 2, 5, 10, 20, 40, 80, 120, 200, 400, 600)
_FEW = (0, 20, 80, 200, 400, 600)
_LONG = (*_EARLY[:-1], 700, 1000, 2000, 3000, 5000, 7000, 10_000)


@dataclass(frozen=True)
class Experiment:
    """A question put to generators in training.

    Attributes:
        question: in a sentence.
        base: what all runs have in common.
        settings: by name, what each changes in it.
        seeds: how many runs a setting has.
        frames: steps after which images are kept.
        samples: how many images of the moving average are kept at the end of a run.
    """

    question: str
    base: Preset
    settings: Mapping[str, Changes]
    seeds: int = 5
    frames: tuple[int, ...] = _EARLY
    samples: int = field(default=0, kw_only=True)

    def preset(self, setting: str, seed: int = 0) -> Preset:
        """What is run.

        Raises:
            ValueError: no setting has that name.
        """
        if setting not in self.settings:
            raise ValueError(
                f"`setting` must be one of {', '.join(self.settings)}; got {setting!r}."
            )
        return replace(self.base, **self.settings[setting], seed=seed)


def _grid(*axes: Mapping[str, Changes]) -> dict[str, Changes]:
    """All combinations, their names side by side."""
    return {
        ", ".join(names): {key: value for part in parts for key, value in part.items()}
        for chosen in product(*(axis.items() for axis in axes))
        for names, parts in [zip(*chosen, strict=True)]
    }


def _each(name: str, values: tuple, label: str = "{}") -> dict[str, Changes]:
    return {label.format(value): {name: value} for value in values}


_REGIMES = {"freeze": FREEZE, "edge": EDGE, "chaos": CHAOS, "batch norm": BATCHNORM}
_TWO = {"freeze": FREEZE, "chaos": CHAOS}
_BETAS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
_ACTIVATIONS = {"relu": {"normalized": False}, "normalized relu": {"normalized": True}}
_DCGAN_RATES: Changes = {"generator_rate": 2e-4, "discriminator_rate": 2e-4}
_DESCENT: Changes = {"optimizer": "sgd", "generator_rate": 0.2}

EXPERIMENTS: Mapping[str, Experiment] = {
    "activation and bias": Experiment(
        "Is it the activation or the bias that decides?",
        SMALL, _grid(_ACTIVATIONS, _each("beta", _BETAS, "β = {}")),
    ),
    "depth": Experiment(
        "From which depth on does a frozen generator collapse?",
        SMALL, _grid(_TWO, _each("convolutions", (0, 1, 2, 4), "{} convolutions")),
    ),
    "optimizers": Experiment(
        "What do optimizer and rate decide?",
        SMALL,
        _grid(_TWO, {
            "descent 0.05": {**_DESCENT, "generator_rate": 0.05}, "descent 0.2": _DESCENT,
            "descent 1": {**_DESCENT, "generator_rate": 1.0},
            "Adam 2e-4": _DCGAN_RATES,
            "Adam 1e-3": {"generator_rate": 1e-3}, "Adam 1e-2": {},
        }),
    ),
    "batch": Experiment(
        "Does a smaller batch rescue what lies between the regimes?",
        replace(SMALL, normalized=True),
        _grid(_each("beta", (0.2, 0.3), "β = {}"), _each("batch", (8, 32, 64, 256), "batch {}")),
        seeds=3, frames=_FEW,
    ),
    "headline": Experiment(
        "What do ten thousand steps of gradient descent make of each regime?",
        replace(LARGE, **_DESCENT), _REGIMES, seeds=3, frames=_LONG, samples=64,
    ),
    "headline on digits": Experiment(
        "And on other images?",
        replace(LARGE, **_DESCENT, data="mnist", steps=3000), _REGIMES, seeds=3, frames=_LONG,
        samples=64,
    ),
    "headline with Adam": Experiment(
        "And under Adam, at the DCGAN's rate?",
        replace(LARGE, **_DCGAN_RATES, steps=3000), _REGIMES, seeds=3,
        frames=(0, 80, 400, 1000, 3000), samples=64,
    ),
    "colour": Experiment(
        "And the DCGAN itself, on 64 x 64 in colour, a quarter as wide?",
        replace(
            PRESETS["dcgan"], data="glyphs", width=16, discriminator_width=16, batch=32,
            steps=3000, record=100, save=500,
        ),
        {
            "batch norm": {},
            "normalized relu": {
                "norm": "none", "norm_parameters": False, "weights": "normal",
                "parametrization": "graph", "generator_rate": 0.01, "normalized": True,
            },
            "neither": {"norm": "none", "norm_parameters": False},
            "frozen relu": {
                "norm": "none", "norm_parameters": False, "weights": "normal",
                "parametrization": "graph", "generator_rate": 0.01, "beta": 0.5,
            },
        },
        seeds=3, frames=(0, 200, 1000, 3000), samples=64,
    ),
    "losses": Experiment(
        "Does another loss, or another discriminator, rescue a frozen generator?",
        SMALL,
        _grid(_TWO, {
            "as it was": {}, "discriminator x 1/5": {"discriminator_rate": 2e-4},
            "discriminator x 5": {"discriminator_rate": 5e-3}, "hinge": {"loss": "hinge"},
            "least squares": {"loss": "least_squares"}, "R1": {"penalty": "r1"},
            "spectral norm": {"discriminator_norm": "spectral"},
            "relativistic, R1 + R2": {"loss": "relativistic", "penalty": "r1_r2"},
        }),
        seeds=3, frames=_FEW,
    ),
    "up-sampling": Experiment(
        "Do other ways of up-sampling avoid the lattice?",
        replace(SMALL, **_DESCENT),
        _grid(_TWO, _each("upsampling", ("transposed", "resize", "sub_pixel"))), seeds=3,
    ),
    "layer rates": Experiment(
        "What do learning rates by layer change?",
        SMALL,
        _grid(
            _TWO, {"Adam": {}, "descent": _DESCENT}, _each("gamma", (0.0, 0.25, 0.5, 1.0), "γ = {}")
        ),
        seeds=3, frames=_FEW,
    ),
    "layer rates, faster": Experiment(
        "And where a larger common rate makes up for the smaller ones?",
        replace(SMALL, optimizer="sgd"),
        _grid(
            _TWO, _each("gamma", (0.0, 0.5), "γ = {}"),
            _each("generator_rate", (0.2, 0.8, 3.2), "rate {}"),
        ),
        seeds=3, frames=_FEW,
    ),
    "norms": Experiment(
        "Batch norm before or after the nonlinearity?",
        SMALL, _each("norm", ("none", "before", "after")), seeds=5,
    ),
    "parametrizations": Experiment(
        "Which frame does a trained generator have?",
        replace(SMALL, **CHAOS), _each("parametrization", ("graph", "usual", "gain")), seeds=5,
    ),
    "conditions, descent": Experiment(
        "Which of these conditions hold under gradient descent too?",
        replace(SMALL, optimizer="sgd", generator_rate=1.0),
        {
            **_grid(_ACTIVATIONS, _each("beta", _BETAS, "β = {}")),
            **_grid(_TWO, _each("convolutions", (0, 1, 4), "{} convolutions")),
            "chaos, 4 convolutions, slower": {**CHAOS, "convolutions": 4, "generator_rate": 0.2},
            **_each("norm", ("before", "after"), "freeze, norm {}"),
            **_grid({"chaos": CHAOS}, _each("parametrization", ("usual", "gain"))),
        },
        seeds=3, frames=(600,),
    ),
    "width": Experiment(
        "Does the width matter?",
        SMALL, _grid(_TWO, _each("width", (8, 16, 32, 64, 128), "width {}")), seeds=3, frames=_FEW,
    ),
    "width, descent": Experiment(
        "And by gradient descent, whose steps do not grow with the width?",
        replace(SMALL, **_DESCENT), _grid(_TWO, _each("width", (32, 64, 128), "width {}")),
        seeds=3, frames=_FEW,
    ),
    "width, slower": Experiment(
        "And under Adam, at a rate that falls like the root of the width?",
        replace(SMALL, **CHAOS),
        {
            "width 64": {"width": 64, "generator_rate": 0.0071},
            "width 128": {"width": 128, "generator_rate": 0.005},
        },
        seeds=3, frames=_FEW,
    ),
}  # fmt: skip
"""By name. `study` of `headline` takes an hour on a core, of most others some minutes."""
