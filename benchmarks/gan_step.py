"""Times steps of a GAN in a process of its own: `python benchmarks/gan_step.py ours CASE 40`.

Two libraries in one process get into each other's way, each with threads that wait in a loop.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos.gan import PRESETS, Preset, devices, game, models
from freezechaos.networks import convolutions as formulations
from freezechaos.networks import deconvolutional

CASES = {
    "32x32x1, 64 channels, ten maps": PRESETS["freeze"],
    "32x32x1, 32 channels, ten maps": replace(PRESETS["freeze"], width=32),
    "64x64x3, DCGAN of 64 channels": Preset(
        "sign_digits", size=64, colours=3, latent=100, widening=2, convolutions=0, norm="before",
        discriminator_width=64, discriminator_norm="batch",
    ),
}  # fmt: skip
Step = Callable[[], Any]


def pictures(preset: Preset) -> np.ndarray:
    shape = (1024, preset.size, preset.size, preset.colours)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def ours(preset: Preset) -> Step:
    images, kept = jnp.asarray(pictures(preset)), [game.initial(preset)]
    compiled = game.compiled_alike(preset)

    def advance() -> Any:
        kept[0], losses = game.advance(images, kept[0], compiled)
        return losses

    return advance


def obvious(preset: Preset) -> Step:
    """Ours, but for every convolution by one call of XLA's, lax.conv_transpose, and derivatives."""
    deconvolutional.transposed_convolution = formulations._dilated
    models.strided_convolution = formulations._strided
    return ours(preset)


def pytorch(preset: Preset) -> Step:
    """The same networks, losses and optimizers in PyTorch, eager, as it comes."""
    import torch

    nn = torch.nn
    doublings = (preset.size // 4).bit_length() - 1
    levels = [preset.width * preset.widening**level for level in reversed(range(doublings))]

    def hidden(channels: int) -> list[Any]:
        return [*([nn.BatchNorm2d(channels)] if preset.norm == "before" else []), nn.ReLU()]

    layers: list[Any] = [nn.ConvTranspose2d(preset.latent, levels[0], 4), *hidden(levels[0])]
    for here, after in zip(levels, [*levels[1:], None], strict=True):
        for _ in range(preset.convolutions):
            layers += [nn.Conv2d(here, here, 3, padding=1), *hidden(here)]
        layers.append(nn.ConvTranspose2d(here, after or preset.colours, 4, 2, 1))
        layers += hidden(after) if after else [nn.Tanh()]
    maker = nn.Sequential(*layers)
    layers, before = [], preset.colours
    for number in range(doublings):
        after = preset.discriminator_width << number
        layers.append(nn.Conv2d(before, after, 4, 2, 1))
        if number and preset.discriminator_norm == "batch":
            layers.append(nn.BatchNorm2d(after))
        layers.append(nn.LeakyReLU(0.2))
        before = after
    judge = nn.Sequential(*layers, nn.Conv2d(before, 1, 4))
    adams = [
        torch.optim.Adam(network.parameters(), rate, betas=(preset.momentum, 0.999))
        for network, rate in (
            (maker, preset.generator_rate),
            (judge, preset.discriminator_rate),
        )
    ]
    images = torch.from_numpy(pictures(preset)).permute(0, 3, 1, 2).contiguous()
    softplus = nn.functional.softplus

    def advance() -> Any:
        real = images[torch.randint(len(images), (preset.batch,))]
        fake = maker(torch.randn(preset.batch, preset.latent, 1, 1))
        adams[1].zero_grad()
        loss = softplus(-judge(real)).mean() + softplus(judge(fake.detach())).mean()
        loss.backward()
        adams[1].step()
        adams[0].zero_grad()
        softplus(-judge(fake)).mean().backward()
        adams[0].step()
        return loss.item()

    return advance


# What makes a step, and whether it keeps memory, as the command `train` does.
ARMS = {
    "ours": (ours, True),
    "obvious": (obvious, True),
    "pytorch": (pytorch, False),
    "pytorch_keeping_memory": (pytorch, True),
}
UNTIMED = 5


def main(arm: str, case: str, steps: str) -> None:
    """Seconds of every step, as JSON, after a few that are not timed."""
    make, keeps = ARMS[arm]
    step, seconds = make(CASES[case]), []
    for number in range(UNTIMED + int(steps)):
        start = perf_counter()
        jax.block_until_ready(step())
        seconds.append(perf_counter() - start)
        if number == 0 and keeps:
            devices.keep_memory()
    print(json.dumps(seconds[UNTIMED:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
