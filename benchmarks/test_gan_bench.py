"""Images per second of a whole train step: ours, the obvious convolutions of XLA, PyTorch.

PyTorch is no dependency: install it beside, `pip install torch`, or its rounds are skipped.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos.gan import PRESETS, Preset, game
from freezechaos.networks import convolutions as formulations

CASES = {
    "32x32x1, 64 channels, ten maps": PRESETS["freeze"],
    "32x32x1, 32 channels, ten maps": replace(PRESETS["freeze"], width=32),
    "64x64x3, DCGAN of 64 channels": Preset(
        "sign_digits", size=64, colours=3, latent=100, widening=2, convolutions=0, norm="before",
        discriminator_width=64, discriminator_norm="batch",
    ),
}  # fmt: skip
GROUND: dict[str, float] = {}


def pictures(preset: Preset) -> np.ndarray:
    shape = (1024, preset.size, preset.size, preset.colours)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def ours(preset: Preset) -> Callable[[], Any]:
    images, kept = jnp.asarray(pictures(preset)), [game.initial(preset)]
    compiled = game.compiled_alike(replace(preset, record=1, steps=1, save=1))

    def advance() -> Any:
        kept[0], losses = game.advance(images, kept[0], compiled)
        return losses

    return advance


def in_torch(preset: Preset) -> Callable[[], Any]:
    """The same networks, losses and optimizers, eager."""
    torch = pytest.importorskip("torch")
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


@pytest.mark.benchmark(group="GAN step")
@pytest.mark.parametrize("case", CASES)
class TestStep:
    def test_torch(self, seconds: Callable, case: str) -> None:
        GROUND[case] = seconds(in_torch(CASES[case]), rounds=7)

    def test_ours(self, seconds: Callable, compare: Callable, case: str) -> None:
        time = GROUND[f"ours {case}"] = seconds(ours(CASES[case]), rounds=7)
        if case in GROUND:
            batch = CASES[case].batch
            compare(f"{case}: images/s, ours / PyTorch", batch / time, batch / GROUND[case], "/s")

    def test_conv_transpose(
        self, seconds: Callable, compare: Callable, case: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(formulations, "_backpropagated", formulations._dilated)
        jax.clear_caches()
        time = seconds(ours(CASES[case]), rounds=3)
        jax.clear_caches()
        if f"ours {case}" in GROUND:
            compare(f"{case}: seconds, lax.conv_transpose / ours", time, GROUND[f"ours {case}"])
