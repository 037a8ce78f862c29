"""Presets, the two networks, the losses."""

import json
import math
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from freezechaos import graphs
from freezechaos.activations import standardized
from freezechaos.deconvolution import DeconvStack, learning_rates
from freezechaos.gan import (
    LOSSES,
    PRESETS,
    Discriminator,
    Generator,
    discriminator,
    game,
    generator,
    models,
    upsampling_stack,
)
from freezechaos.gan.losses import squared_slope
from freezechaos.gan.models import weight_scales
from freezechaos.networks import Deconvolutional, scale_by_layer

TINY = replace(PRESETS["smoke"], width=4, discriminator_width=4, convolutions=0, latent=8)


def shapes(make, preset, *arguments):
    network = eqx.filter_eval_shape(lambda: make(preset, key=jax.random.key(0)))
    return network, eqx.filter_eval_shape(lambda network, *xs: network(*xs), network, *arguments)


class TestPresets:
    def test_are_frozen(self):
        with pytest.raises(FrozenInstanceError):
            TINY.width = 3

    def test_headline_differs_in_little(self):
        freeze = PRESETS["freeze"]
        assert replace(freeze, beta=0.0) == PRESETS["edge"]
        assert replace(freeze, beta=0.1, normalized=True) == PRESETS["chaos"]
        assert replace(freeze, norm="after") == PRESETS["batchnorm"]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"size": 48}, "`size` must be 16, 32, 64 or 128; got 48"),
            ({"upsampling": "bicubic"}, "`upsampling` must be 'transposed', 'resize' or"),
            ({"beta": 1.0}, r"`beta` must lie in \[0, 1\)"),
            ({"convolutions": -1}, "`convolutions` must be 0 or more"),
            ({"batch": 0}, "`batch` must be 1 or more"),
            ({"save": 30}, "`save` must be a multiple of `record`, 20; got 30. Try 40"),
            ({"generator_rate": 0.0}, "`generator_rate` must be positive"),
            ({"average": 1.0}, r"`average` must lie in \[0, 1\)"),
            ({"path": "pictures"}, "`path` goes with `data`"),
            ({"gamma": math.nan}, "`gamma` must be finite"),
            ({"width": -1}, "`width` must be 1 or more; got -1"),
            ({"size": 16.0}, "`size` must be an integer"),
            ({"colours": True}, "`colours` must be an integer"),
            ({"normalized": "no"}, "`normalized` must be True or False; got 'no'"),
            ({"activation": "rleu"}, "`activation` must be one of relu, .*; got 'rleu'"),
            ({"beta": "0.1"}, "`beta` must be one real number"),
            ({"loss": None}, "`loss` must be 'non_saturating', .*; got None"),
            ({"penalty_weight": 0}, "`penalty_weight` must be positive"),
            ({"weights": "dcgan"}, '`weights` "dcgan" need a `beta` above 0'),
            ({"norm_parameters": True}, "`norm_parameters` are those of a batch norm"),
        ],
    )
    def test_say_what_is_wrong(self, change, message):
        with pytest.raises((ValueError, TypeError), match=message):
            replace(TINY, **change)

    def test_keep_what_json_keeps(self, lifted):
        """Numbers of NumPy and a path become Python's, and the path absolute."""
        preset = replace(
            TINY, seed=np.arange(3)[2], beta=np.float32(0.25), normalized=np.bool_(True),
            size=np.int64(16), data="folder", path=Path("pictures"),
        )  # fmt: skip
        again = type(preset)(**json.loads(json.dumps(asdict(preset))))
        assert again == preset
        assert (preset.seed, preset.beta, preset.normalized) == (2, 0.25, True)
        assert Path(preset.path) == Path.cwd() / "pictures"


class TestGenerator:
    @pytest.mark.parametrize("size", [16, 32, 64, 128])
    @pytest.mark.parametrize("upsampling", ["transposed", "resize", "sub_pixel"])
    def test_shapes(self, size, upsampling):
        preset = replace(TINY, size=size, upsampling=upsampling, colours=3, convolutions=1)
        network, images = shapes(generator, preset, jnp.ones((2, 8)))
        doublings = int(math.log2(size / 4))
        assert network.network.stack.depth == 1 + 2 * doublings
        assert images.shape == (2, size, size, 3)

    def test_widening_is_the_dcgan(self):
        network, images = shapes(generator, PRESETS["dcgan"], jnp.ones((2, 100), jnp.bfloat16))
        assert network.network.channels == (100, 512, 256, 128, 64, 3)
        assert (images.shape, images.dtype) == ((2, 64, 64, 3), jnp.bfloat16)

    def test_is_the_network_through_tanh(self):
        network, z = generator(TINY, key=jax.random.key(0)), jnp.ones((3, 8))
        plain = network.network(z[:, None, None, :])
        np.testing.assert_allclose(network(z), np.tanh(plain), atol=1e-6)
        linear = Generator(network.network, output="identity")
        np.testing.assert_allclose(linear(z), plain, atol=1e-6)

    @pytest.mark.parametrize("norm", ["before", "after"])
    def test_batch_norm(self, norm):
        """With all of a batch the same, `before` leaves biases alone, and `after` nothing else."""
        network = generator(replace(TINY, norm=norm), key=jax.random.key(0))
        z = jax.random.normal(jax.random.key(1), (6, 8))
        pre = network.network.affine(0, z[:, None, None, :])
        hidden = np.asarray(network._hidden(0, pre))
        if norm == "after":
            np.testing.assert_allclose(hidden.mean(axis=(0, 1, 2)), 0, atol=1e-5)
            np.testing.assert_allclose(hidden.std(axis=(0, 1, 2)), 1, atol=1e-3)
        else:
            flat = np.asarray(pre, np.float64)
            flat = (flat - flat.mean(axis=(0, 1, 2))) / flat.std(axis=(0, 1, 2))
            expected = network.network.activation(jnp.asarray(flat, jnp.float32))
            np.testing.assert_allclose(hidden, expected, atol=1e-4)

    def test_layer_rates_reach_its_layers(self):
        network = generator(TINY, key=jax.random.key(0))
        rates = learning_rates(upsampling_stack(TINY))
        optimizer = scale_by_layer(rates)
        scaled, _ = optimizer.update(network, optimizer.init(network))
        for layer, (weight, bias) in enumerate(rates):
            np.testing.assert_allclose(scaled.weights[layer], weight * network.weights[layer])
            np.testing.assert_allclose(scaled.biases[layer], bias * network.biases[layer])

    def test_bfloat16_is_near_float32(self):
        network = generator(TINY, key=jax.random.key(0))
        z = jax.random.normal(jax.random.key(1), (6, 8))
        half = network(z.astype(jnp.bfloat16))
        assert half.dtype == jnp.bfloat16
        np.testing.assert_allclose(half.astype(jnp.float32), network(z), atol=0.1)

    def test_norm_has_gains_and_shifts(self):
        preset = replace(TINY, norm="before", norm_parameters=True)
        network = generator(preset, key=jax.random.key(0))
        plain = generator(replace(TINY, norm="before"), key=jax.random.key(0))
        z = jax.random.normal(jax.random.key(1), (6, 8))
        np.testing.assert_array_equal(network(z), plain(z))
        gained = eqx.tree_at(
            lambda network: (network.gains[0], network.shifts[0]), network,
            (jnp.full(4, 0.5), jnp.full(4, 3.0)),
        )  # fmt: skip
        pre = network.network.affine(0, z[:, None, None, :])
        known = np.asarray(pre)
        normed = (known - known.mean((0, 1, 2))) / known.std((0, 1, 2))
        expected = network.network.activation(jnp.asarray(3 + normed / 2, jnp.float32))
        np.testing.assert_allclose(gained._hidden(0, pre), expected, atol=1e-4)
        with pytest.raises(ValueError, match="must be 2 vectors each"):
            Generator(network.network, "before", gains=network.gains)

    def test_gain_keeps_the_variance_inside(self):
        """The mean square in the middle is 1 as graph-based, and less at the border."""
        preset = replace(TINY, size=32, width=64, beta=0.1, output="identity")
        made = {
            name: generator(replace(preset, parametrization=name), key=jax.random.key(0))
            for name in ("graph", "usual", "gain")
        }
        z = 8**0.5 * jnp.eye(8)
        square = {name: np.square(network(z)).mean((0, 3)) for name, network in made.items()}
        middle = slice(8, 24)
        inside = {name: value[middle, middle].mean() for name, value in square.items()}
        np.testing.assert_allclose(inside["gain"], inside["graph"], rtol=1e-4)
        assert inside["usual"] < 0.1 * inside["graph"]
        assert square["gain"][0, 0] < 0.1 < 0.5 < square["graph"][0, 0]

    def test_starts_from_one_position(self):
        stack = DeconvStack((4, 4), [graphs.transposed_convolution(4, 2, 1)])
        network = Deconvolutional(stack, [2, 1], standardized("relu"), 0.1, key=jax.random.key(0))
        with pytest.raises(ValueError, match="must start from one position"):
            Generator(network)


def judge(**changes) -> Discriminator:
    return discriminator(replace(TINY, **changes), key=jax.random.key(0))


class TestDcgan:
    """The DCGAN's parametrization, which ours is with other scales and rates, written out."""

    PRESET = replace(
        TINY, norm="before", norm_parameters=True, weights="dcgan", parametrization="usual",
        beta=0.3, discriminator_norm="batch", generator_rate=2e-4, discriminator_rate=2e-4,
    )  # fmt: skip

    def plain(self, network):
        """Weights and biases that are added up as they are."""
        scales = weight_scales(network.network)
        weights = [float(s) * w for (s, _), w in zip(scales, network.weights, strict=True)]
        return weights, [0.3 * b for b in network.biases], list(network.gains), list(network.shifts)

    @staticmethod
    def images(parameters, z, activation):
        """By lax.conv_transpose alone; its padding is what the taps reach beyond."""
        weights, biases, gains, shifts = parameters
        x = z[:, None, None, :]
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            if layer:
                mean, variance = (f((0, 1, 2), keepdims=True) for f in (x.mean, x.var))
                x = (x - mean) / jnp.sqrt(variance + 1e-6)
                gain, shift = (each[layer - 1][None, None, None] for each in (gains, shifts))
                x = activation(x * gain + shift)
            stride, pad = (1, 3) if layer == 0 else (2, 2)
            x = jax.lax.conv_transpose(
                x, weight[::-1, ::-1], (stride, stride), [(pad, pad)] * 2,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            ) + bias[None, None, None]  # fmt: skip
        return jnp.tanh(x)

    def test_is_born_with_deviation_002_and_no_bias(self):
        weights, biases, gains, shifts = self.plain(generator(self.PRESET, key=jax.random.key(0)))
        count = sum(weight.size for weight in weights)
        deviation = np.sqrt(sum(float(jnp.sum(weight**2)) for weight in weights) / count)
        assert abs(deviation / 0.02 - 1) < 4 / np.sqrt(2 * count)
        assert not any(bias.any() for bias in biases)
        assert all((gain == 1).all() for gain in gains)
        assert not any(shift.any() for shift in shifts)

    @pytest.mark.parametrize(("name", "rate"), [("adam", 2e-4), ("sgd", 0.05)])
    def test_three_steps_are_those_of_the_plain_network(self, name, rate):
        """A gradient of next to nothing has a sign of its rounding, which Adam follows."""
        preset = replace(self.PRESET, optimizer=name, generator_rate=rate)
        network = generator(preset, key=jax.random.key(0))
        plain = self.plain(network)
        target = jax.random.normal(jax.random.key(2), (6, 16, 16, 1))
        z = game.latents(jax.random.key(1), 6, 8)
        mine = game.optimizers(preset)[0]
        other = optax.adam(rate, b1=preset.momentum) if name == "adam" else optax.sgd(rate)
        states = mine.init(eqx.filter(network, eqx.is_array)), other.init(plain)
        activation = network.network.activation
        for _ in range(3):
            slope = eqx.filter_grad(lambda network: jnp.sum((network(z) - target) ** 2))(network)
            network, first = game.updated(mine, network, slope, states[0])
            slope = jax.grad(
                lambda plain: jnp.sum((self.images(plain, z, activation) - target) ** 2)
            )(plain)
            plain, second = game.updated(other, plain, slope, states[1])
            states = first, second
        born = self.plain(generator(preset, key=jax.random.key(0)))
        parts = zip(self.plain(network), plain, born, strict=True)
        for kind, (ours, theirs, before) in enumerate(parts):
            seen = slice(-1, None) if kind == 1 else slice(None)  # batch norm undoes other biases
            for x, y, start in zip(ours[seen], theirs[seen], before[seen], strict=True):
                far = float(jnp.max(jnp.abs(y - start)))
                assert far > 0
                assert np.mean(np.abs(np.asarray(x - y)) > 0.02 * far) < 0.02

    def test_positions_that_differ_have_no_scale(self):
        with pytest.raises(ValueError, match="must have one factor a layer"):
            weight_scales(generator(TINY, key=jax.random.key(0)).network)


class TestDiscriminator:
    @pytest.mark.parametrize("size", [16, 32, 64, 128])
    @pytest.mark.parametrize("norm", ["none", "batch", "layer", "spectral"])
    def test_shapes(self, size, norm):
        preset = replace(TINY, size=size, colours=3, discriminator_norm=norm)
        network, logits = shapes(discriminator, preset, jnp.ones((5, size, size, 3)))
        assert logits.shape == (5,)
        assert network.weights[-1].shape == (4, 4, size // 2, 1)

    def test_logits_have_the_scale_of_the_images(self):
        network = judge(discriminator_width=64)
        logits = network(jax.random.normal(jax.random.key(1), (512, 16, 16, 1)))
        assert 0.3 < float(jnp.std(logits)) < 3

    def test_layer_norm_is_of_one_image(self):
        network = judge(discriminator_norm="layer")
        images = jax.random.normal(jax.random.key(1), (4, 16, 16, 1))
        alone = jnp.concatenate([network(image[None]) for image in images])
        np.testing.assert_allclose(network(images), alone, atol=1e-5)

    def test_batch_norm_is_of_the_batch(self):
        network = judge(discriminator_norm="batch")
        images = jax.random.normal(jax.random.key(1), (4, 16, 16, 1))
        assert float(jnp.max(jnp.abs(network(images)[:1] - network(images[:1])))) > 1e-3

    def test_spectral_norm_is_of_the_matrix(self):
        """Within 1 %, and never above, of the largest singular value."""
        network = judge(discriminator_norm="spectral", discriminator_width=16)
        for layer, weight in enumerate(network.weights):
            top = np.linalg.svd(np.asarray(weight).reshape(-1, weight.shape[-1]))[1][0]
            ratio = np.linalg.norm(weight) / np.linalg.norm(network._weight(layer)) / top
            assert 0.99 < ratio < 1 + 1e-5
        doubled = eqx.tree_at(lambda network: network.weights[0], network, 2 * network.weights[0])
        images = jax.random.normal(jax.random.key(1), (4, 16, 16, 1))
        np.testing.assert_allclose(doubled(images), network(images), rtol=1e-4, atol=1e-6)

    def test_slope_of_spectral_norm(self):
        """That of the largest singular value: its left vector times its right one."""
        weight = jax.random.normal(jax.random.key(0), (2, 2, 2, 3))
        slope = jax.grad(lambda w: models._largest_singular_value(w))(weight)
        left, values, right = np.linalg.svd(np.asarray(weight, np.float64).reshape(8, 3))
        assert values[0] / values[1] > 1.07  # to the power of 128: other vectors have 2e-4
        expected = np.outer(left[:, 0], right[0]).reshape(weight.shape)
        np.testing.assert_allclose(slope, expected, atol=5e-4)


class TestLosses:
    LOGITS = np.array([0.5, -2.0, 3.0]), np.array([1.0, -0.5, -4.0])

    def test_are_the_formulas(self):
        real, fake = self.LOGITS
        expected = {
            "non_saturating": (
                -np.mean(np.log(1 / (1 + np.exp(-real)))) - np.mean(np.log(1 / (1 + np.exp(fake)))),
                -np.mean(np.log(1 / (1 + np.exp(-fake)))),
            ),
            "hinge": ((0.5 + 3) / 3 + (2 + 0.5) / 3, 3.5 / 3),
            "least_squares": (
                np.mean((real - 1) ** 2) / 2 + np.mean(fake**2) / 2,
                np.mean((fake - 1) ** 2) / 2,
            ),
            "relativistic": (
                np.mean(np.log(1 + np.exp(fake - real))), np.mean(np.log(1 + np.exp(real - fake))),
            ),
        }  # fmt: skip
        assert expected.keys() == LOSSES.keys()
        for name, (judge, maker) in expected.items():
            loss = LOSSES[name]
            one, other = (jnp.asarray(value, jnp.float32) for value in self.LOGITS)
            np.testing.assert_allclose(loss.discriminator(one, other), judge, rtol=1e-5)
            np.testing.assert_allclose(loss.generator(one, other), maker, rtol=1e-5)

    @pytest.mark.parametrize("name", LOSSES)
    def test_stay_finite(self, name):
        far = jnp.array([-1e4, 1e4])
        loss = LOSSES[name]
        slopes = jax.grad(loss.discriminator)(far, far), jax.grad(loss.generator, 1)(far, far)
        assert all(bool(jnp.isfinite(slope).all()) for slope in slopes)


class TestPenalty:
    def test_of_a_linear_discriminator_is_its_weights(self):
        weight = np.arange(12.0, dtype=np.float32).reshape(2, 3, 2) / 10

        def linear(images):
            return jnp.sum(images * weight[None], (1, 2, 3)) + 5

        found = squared_slope(linear, jnp.ones((7, 2, 3, 2)))
        np.testing.assert_allclose(found, np.sum(weight**2) / 2, rtol=1e-6)

    @pytest.mark.parametrize("norm", ["none", "spectral", "layer"])
    def test_slope_in_the_weights(self, norm, monkeypatch):
        """A derivative of a derivative, through convolutions with derivatives of their own."""
        network = judge(discriminator_norm=norm)
        images = jax.random.normal(jax.random.key(1), (3, 16, 16, 1))

        def slope():
            return eqx.filter_jit(eqx.filter_grad(lambda network: squared_slope(network, images)))(
                network
            )

        def plain(x, weight, _):
            return jax.lax.conv_general_dilated(
                x, weight, (2, 2), [(1, 1)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )

        ours = slope()
        monkeypatch.setattr(models, "strided_convolution", plain)
        for one, other in zip(ours.weights, slope().weights, strict=True):
            bound = 1e-5 * float(jnp.max(jnp.abs(other)))  # 80 roundings of the largest
            np.testing.assert_allclose(one, other, atol=bound)
