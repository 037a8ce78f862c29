"""Presets, the two networks, the losses."""

import math
from dataclasses import FrozenInstanceError, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
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
    generator,
    upsampling_stack,
)
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
        ],
    )
    def test_say_what_is_wrong(self, change, message):
        with pytest.raises((ValueError, TypeError), match=message):
            replace(TINY, **change)


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
        preset = replace(PRESETS["paper"], latent=100)
        network, images = shapes(generator, preset, jnp.ones((2, 100), jnp.bfloat16))
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
        hidden = np.asarray(network._hidden(pre))
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

    def test_starts_from_one_position(self):
        stack = DeconvStack((4, 4), [graphs.transposed_convolution(4, 2, 1)])
        network = Deconvolutional(stack, [2, 1], standardized("relu"), 0.1, key=jax.random.key(0))
        with pytest.raises(ValueError, match="must start from one position"):
            Generator(network)


def judge(**changes) -> Discriminator:
    return discriminator(replace(TINY, **changes), key=jax.random.key(0))


class TestDiscriminator:
    @pytest.mark.parametrize("size", [16, 32, 64, 128])
    @pytest.mark.parametrize("norm", ["none", "batch", "layer"])
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
        }
        assert expected.keys() == LOSSES.keys()
        for name, (judge, maker) in expected.items():
            loss = LOSSES[name]
            one, other = (jnp.asarray(value, jnp.float32) for value in self.LOGITS)
            np.testing.assert_allclose(loss.discriminator(one, other), judge, rtol=1e-5)
            np.testing.assert_allclose(loss.generator(other), maker, rtol=1e-5)

    @pytest.mark.parametrize("name", LOSSES)
    def test_stay_finite(self, name):
        far = jnp.array([-1e4, 1e4])
        loss = LOSSES[name]
        slopes = jax.grad(loss.discriminator)(far, far), jax.grad(loss.generator)(far)
        assert all(bool(jnp.isfinite(slope).all()) for slope in slopes)
