"""Finite networks: the formula, written out in NumPy, and the two norms."""

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from freezechaos import graphs
from freezechaos.activations import normalized, standardized
from freezechaos.deconvolution import DeconvStack
from freezechaos.networks import (
    NORM_EPSILON,
    Deconvolutional,
    FullyConnected,
    Scanned,
    circle,
    newborn,
    on_sphere,
    scale_by_layer,
    with_beta,
)
from freezechaos.networks import convolutions as formulations

RELU = normalized("relu")


@pytest.fixture
def network() -> FullyConnected:
    return FullyConnected([3, 17, 11, 1], RELU, 0.3, key=jax.random.key(1))


@pytest.fixture
def inputs() -> jax.Array:
    return on_sphere(jax.random.normal(jax.random.key(2), (5, 3)))


class TestFullyConnected:
    def test_is_the_formula(self, network, inputs):
        hidden = np.asarray(inputs[0], np.float64)
        for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            entering = np.asarray(RELU(jnp.asarray(hidden, jnp.float32))) if layer else hidden
            matrix = np.asarray(weight, np.float64)
            hidden = np.sqrt((1 - 0.09) / len(entering)) * matrix @ entering + 0.3 * np.asarray(
                bias
            )
        np.testing.assert_allclose(network(inputs[0]), hidden, rtol=1e-5)

    def test_batch_is_a_vmap(self, network, inputs):
        one_by_one = jnp.stack([network(x) for x in inputs])
        np.testing.assert_allclose(jax.vmap(network)(inputs), one_by_one, rtol=1e-5)
        np.testing.assert_allclose(network(inputs), one_by_one, rtol=1e-5)
        np.testing.assert_allclose(network(inputs.tolist()), one_by_one, rtol=1e-5)

    def test_draws_differ_with_the_key_and_repeat_with_it(self):
        def first(seed: int) -> jax.Array:
            network = FullyConnected([2, 4, 1], RELU, 0.1, key=jax.random.key(seed))
            return network.weights[0]

        assert jnp.array_equal(first(0), first(0))
        assert not jnp.array_equal(first(0), first(1))

    def test_repr_counts_parameters(self, network):
        assert "3 > 17 > 11 > 1" in repr(network)
        assert f"parameters={3 * 17 + 17 + 17 * 11 + 11 + 11 + 1}" in repr(network)

    def test_repr_needs_no_weights(self, network):
        keys = jax.random.split(jax.random.key(0), 4)
        ensemble = jax.vmap(lambda key: FullyConnected([3, 17, 11, 1], RELU, 0.3, key=key))(keys)
        nothing, _ = eqx.partition(network, lambda _: False)
        assert repr(ensemble) == repr(nothing) == repr(network)

    def test_an_ensemble_is_called_under_vmap(self, inputs):
        keys = jax.random.split(jax.random.key(0), 4)
        ensemble = jax.vmap(lambda key: FullyConnected([3, 5, 1], RELU, 0.3, key=key))(keys)
        outputs = eqx.filter_vmap(lambda network: network(inputs))(ensemble)
        first = FullyConnected([3, 5, 1], RELU, 0.3, key=keys[0])
        np.testing.assert_allclose(outputs[0], first(inputs), rtol=1e-5)
        with pytest.raises(ValueError, match=r"is an ensemble: .* \[4, 5, 3\]. Call it with"):
            ensemble(inputs)

    @pytest.mark.parametrize("shape", [(), (2,), (5, 4), (3, 1)])
    def test_inputs_that_do_not_fit(self, network, shape):
        with pytest.raises(ValueError, match=r"`x` must have 3 numbers .* x.reshape\(len\(x\), -1"):
            network(jnp.ones(shape))

    @pytest.mark.parametrize(
        ("widths", "error"),
        [([3], ValueError), ([3, 0, 1], ValueError), ("31", TypeError), ([3.0, 1], TypeError),
         ((n for n in (3, 1)), TypeError), ([True, 1], TypeError), (None, TypeError)],
    )  # fmt: skip
    def test_bad_widths(self, widths, error):
        with pytest.raises(error, match="`widths`"):
            FullyConnected(widths, RELU, 0.1, key=jax.random.key(0))

    def test_widths_are_kept_as_integers(self):
        network = FullyConnected(np.array([3, 4, 1]), RELU, 0.1, key=jax.random.key(0))
        assert network.widths == (3, 4, 1)
        assert all(type(width) is int for width in network.widths)

    def test_bad_beta(self):
        with pytest.raises(ValueError, match="`beta`"):
            FullyConnected([2, 1], RELU, 1.5, key=jax.random.key(0))

    def test_inputs_land_on_the_sphere(self, inputs):
        np.testing.assert_allclose(jnp.sum(inputs**2, axis=1), 3, rtol=1e-6)
        np.testing.assert_allclose(
            jnp.sum(circle(jnp.linspace(0, 6, 5)) ** 2, axis=1), 2, rtol=1e-6
        )

    @pytest.mark.parametrize("size", [3e38, 1e30, 1e19, 1e-19, 1e-30, 5e-38])
    def test_extreme_inputs_land_there_too(self, size):
        x = jnp.array([[3.0, 4.0, 0.0], [-1.0, 1.0, -1.0]]) / 4
        wanted = on_sphere(x)
        for found in (on_sphere(size * x), jax.jit(on_sphere)(size * x)):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)
        slope = jax.grad(lambda x: on_sphere(x)[0, 0])(x)
        np.testing.assert_allclose(slope[0], [0.886810, -0.665108, 0], atol=1e-5)

    @pytest.mark.parametrize("row", [[0.0, 0.0], [1e-45, 0.0]])
    def test_a_zero_row_has_no_place_there(self, row):
        with pytest.raises(ValueError, match="`x` must have no zero row; row 1 is zero"):
            on_sphere(jnp.array([[1.0, 1.0], row], jnp.float32))  # 1e-45 is 0 there


class TestScanned:
    @pytest.mark.parametrize("depth", [3, 5])
    def test_is_the_fully_connected_network_of_its_key(self, inputs, depth):
        widths, key = [3, *[17] * (depth - 1), 2], jax.random.key(1)
        network, known = (kind(widths, RELU, 0.3, key=key) for kind in (Scanned, FullyConnected))
        assert network.widths == known.widths
        assert jnp.array_equal(network.weights[1], jnp.stack(known.weights[1:-1]))
        assert jnp.array_equal(network.biases[1], jnp.stack(known.biases[1:-1]))
        np.testing.assert_allclose(network(inputs), known(inputs), rtol=1e-5, atol=1e-6)

    def test_beta_may_be_traced_and_is_not_trained(self, inputs):
        def loss(beta: jax.Array) -> jax.Array:
            network = Scanned([3, 8, 8, 1], RELU, beta, key=jax.random.key(0))
            return jnp.sum(network(inputs) ** 2)

        plain = Scanned([3, 8, 8, 1], RELU, 0.3, key=jax.random.key(0))
        assert jax.jit(loss)(0.3) == pytest.approx(float(jnp.sum(plain(inputs) ** 2)), rel=1e-5)
        slopes = eqx.filter_grad(lambda network: jnp.sum(network(inputs) ** 2))(plain)
        assert slopes.beta == 0
        assert all(jnp.any(part != 0) for part in (*slopes.weights, *slopes.biases))

    @pytest.mark.parametrize("widths", [[3, 8, 1], [3, 8, 9, 1]])
    def test_wants_hidden_layers_of_one_width(self, widths):
        with pytest.raises(ValueError, match="two or more hidden layers of the same width"):
            Scanned(widths, RELU, 0.3, key=jax.random.key(0))

    def test_refuses_a_beta_that_is_no_share(self):
        with pytest.raises(ValueError, match="`beta`"):
            Scanned([3, 8, 8, 1], RELU, 1.0, key=jax.random.key(0))


class TestNorms:
    """Written out in NumPy, layer by layer."""

    @staticmethod
    def standardize(value: np.ndarray, axis: int) -> np.ndarray:
        scale = np.sqrt(value.var(axis, keepdims=True) + NORM_EPSILON)
        return (value - value.mean(axis, keepdims=True)) / scale

    @pytest.mark.parametrize("layer_norm", [None, "before", "after"])
    @pytest.mark.parametrize("batch_norm", [False, True])
    def test_are_the_formula(self, inputs, layer_norm, batch_norm):
        network = FullyConnected(
            [3, 40, 30, 2], RELU, 0.3,
            layer_norm=layer_norm, batch_norm=batch_norm, key=jax.random.key(1),
        )  # fmt: skip
        entering = np.asarray(inputs, np.float64)
        for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            pre = np.sqrt((1 - 0.09) / entering.shape[1]) * entering @ np.asarray(weight).T
            pre = pre + 0.3 * np.asarray(bias)
            if layer == 2:
                break
            value = self.standardize(pre, 1) if layer_norm == "before" else pre
            value = np.asarray(RELU(jnp.asarray(value, jnp.float32)), np.float64)
            value = self.standardize(value, 1) if layer_norm == "after" else value
            entering = self.standardize(value, 0) if batch_norm and layer == 1 else value
        np.testing.assert_allclose(network(inputs), pre, rtol=1e-3, atol=1e-4)

    def test_layer_norm_leaves_mean_zero_and_variance_one(self, inputs):
        network = FullyConnected(
            [3, 64, 64, 1], RELU, 0.3, layer_norm="after", key=jax.random.key(1)
        )
        entering, _ = network.forward(inputs)
        for value in entering[1:]:
            np.testing.assert_allclose(value.mean(axis=1), 0, atol=1e-5)
            np.testing.assert_allclose(value.std(axis=1), 1, rtol=1e-4)

    def test_with_batch_norm_the_outputs_sum_to_the_bias(self, inputs):
        """Sum_j f(x_j) = N beta b, whatever the weights [JGGH]."""
        network = FullyConnected([3, 20, 20, 2], RELU, 0.3, batch_norm=True, key=jax.random.key(1))
        mean = network(inputs).mean(axis=0)
        np.testing.assert_allclose(mean, 0.3 * network.biases[-1], atol=1e-6)

    def test_a_batch_of_one_is_its_own_mean(self, inputs):
        network = FullyConnected([3, 20, 20, 2], RELU, 0.3, batch_norm=True, key=jax.random.key(1))
        np.testing.assert_allclose(network(inputs[:1])[0], 0.3 * network.biases[-1], atol=1e-6)

    def test_a_dead_layer_stays_finite(self):
        network = FullyConnected(
            [2, 3, 3, 1], RELU, 0.0, layer_norm="after", batch_norm=True, key=jax.random.key(0)
        )
        same = jnp.ones((4, 2))
        assert jnp.isfinite(network(same)).all()

    def test_batch_norm_wants_a_batch(self, inputs):
        network = FullyConnected([3, 4, 1], RELU, 0.1, batch_norm=True, key=jax.random.key(0))
        with pytest.raises(ValueError, match=r"must be a batch \[n, inputs\].*without vmap"):
            jax.vmap(network)(inputs)

    def test_repr_names_the_norms(self):
        network = FullyConnected(
            [3, 4, 1], RELU, 0.1, layer_norm="after", batch_norm=True, key=jax.random.key(0)
        )
        assert "layer_norm=after, batch_norm, parameters=" in repr(network)

    @pytest.mark.parametrize(
        ("widths", "options", "match"),
        [
            ([3, 4, 1], {"layer_norm": "inside"}, "`layer_norm` must be"),
            ([3, 1], {"batch_norm": True}, "`batch_norm` .* without a hidden layer"),
            ([3, 1], {"layer_norm": "after"}, "`layer_norm` .* without a hidden layer"),
        ],
    )
    def test_refusals(self, widths, options, match):
        with pytest.raises(ValueError, match=match):
            FullyConnected(widths, RELU, 0.1, **options, key=jax.random.key(0))


DCGAN = graphs.transposed_convolution(4, stride=2, padding=1)
STACKS = [
    ((2, 3), (DCGAN, graphs.convolution(3, padding=1))),
    (1, (graphs.transposed_convolution(5), graphs.transposed_convolution(5, 2, 2, 1))),
    (3, (graphs.resize_convolution(2, 3, 1), graphs.sub_pixel_convolution(2, 3, 1))),
    ((3, 2), (graphs.resize_convolution(2, 3, 1, "bilinear"),)),
]


def deconvolutional(
    size: int | tuple[int, int], layers: tuple, parametrization: str = "graph", outputs: int = 2
) -> Deconvolutional:
    stack = DeconvStack(size, layers, parametrization)
    channels = [5, *[4] * (len(layers) - 1), outputs]
    return Deconvolutional(stack, channels, RELU, 0.3, key=jax.random.key(1))


def grids(network: Deconvolutional, n: int) -> jax.Array:
    shape = (n, *network.stack.start, network.channels[0])
    return jax.random.normal(jax.random.key(2), shape)


def by_hand(network: Deconvolutional, layer: int, entering: np.ndarray) -> np.ndarray:
    """The affine map as a loop over positions and taps."""
    axes, weight = network.axes(layer), np.asarray(network.weights[layer], np.float64)
    for i, axis in enumerate(axes):
        matrix = axis.resizing(entering.shape[i])
        entering = np.moveaxis(np.tensordot(matrix, entering, (1, i)), 0, i)
    sizes = network.stack.sizes[layer : layer + 2]
    parents = [axis.parents(n) for axis, n in zip(axes, sizes[0], strict=True)]
    pre, counts = np.zeros((*sizes[1], weight.shape[-1])), np.zeros(sizes[1])
    for position in np.ndindex(*sizes[1]):
        for tap in np.ndindex(*weight.shape[:-2]):
            q = tuple(parents[i][position[i], tap[i]] for i in range(len(axes)))
            if min(q) >= 0:
                pre[position] += entering[q] @ weight[tap]
                counts[position] += 1
    if network.stack.parametrization == "usual":
        counts[:] = np.prod(weight.shape[:-2])
    if network.stack.parametrization == "gain":
        counts[:] = counts.max()
    pre *= np.sqrt((1 - 0.09) / (counts[..., None] * weight.shape[-2]))
    return pre + 0.3 * np.asarray(network.biases[layer], np.float64)


class TestDeconvolutional:
    @pytest.mark.parametrize("parametrization", ["graph", "usual", "gain"])
    @pytest.mark.parametrize(("size", "layers"), STACKS)
    def test_is_the_formula(self, size, layers, parametrization):
        network = deconvolutional(size, layers, parametrization)
        x = grids(network, 2)
        hidden = np.asarray(x[1], np.float64)
        for layer in range(len(layers)):
            entering = np.asarray(RELU(jnp.asarray(hidden, jnp.float32))) if layer else hidden
            hidden = by_hand(network, layer, entering)
        np.testing.assert_allclose(network(x)[1], hidden, rtol=1e-4, atol=1e-5)

    def test_batch_is_a_vmap(self):
        network = deconvolutional(*STACKS[0])
        x = grids(network, 6)
        together = network(x)
        np.testing.assert_allclose(jax.vmap(network)(x), together, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(network(x[3]), together[3], rtol=1e-4, atol=1e-5)
        pairs = network(x.reshape(2, 3, *x.shape[1:]))
        np.testing.assert_allclose(pairs.reshape(together.shape), together, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("size", [1, (2, 2)])
    def test_graph_based_variance_is_one_at_every_position(self, size):
        """Also in the corners; a mean over networks and channels, with its standard error."""
        stack, sigma = DeconvStack(size, [DCGAN] * 3), standardized("relu")
        x = jnp.ones((*stack.start, 8))

        def squares(key: jax.Array) -> jax.Array:
            network = Deconvolutional(stack, [8, 16, 16, 16], sigma, 0.5, key=key)
            return jnp.mean(network(x) ** 2, axis=-1)

        samples = jax.jit(jax.vmap(squares))(jax.random.split(jax.random.key(3), 256))
        error = jnp.std(samples, axis=0) / 16
        assert jnp.all(error < 0.1)
        assert jnp.all(jnp.abs(samples.mean(axis=0) - 1) < 5 * error)

    def test_nudges_are_added_to_the_pre_activations(self):
        network = deconvolutional(*STACKS[1])
        x, sizes = grids(network, 1), network.stack.sizes[1:]
        nudges = [jnp.ones((1, *n, c)) for n, c in zip(sizes, network.channels[1:], strict=True)]
        entering, out = network.forward(x, nudges)
        np.testing.assert_allclose(entering[1], RELU(network.affine(0, x) + 1), rtol=1e-5)
        np.testing.assert_allclose(out, network.affine(1, entering[1]) + 1, rtol=1e-5)

    def test_gradient_is_a_finite_difference(self):
        with jax.enable_x64(True):
            stack = DeconvStack((2, 2), [DCGAN, graphs.resize_convolution(2, 3, 1, "bilinear")])
            network = Deconvolutional(
                stack, [3, 4, 1], normalized("tanh"), 0.3, key=jax.random.key(1)
            )
            x = grids(network, 2)
            way = jax.tree.map(
                lambda leaf: jax.random.normal(jax.random.key(5), leaf.shape), network
            )

            @jax.jit
            def value(step: float) -> jax.Array:
                moved = jax.tree.map(lambda leaf, along: leaf + step * along, network, way)
                return jnp.sum(moved(x) ** 2)

            reverse = jax.grad(lambda network: jnp.sum(network(x) ** 2))(network)
            products = jax.tree.map(lambda a, b: jnp.sum(a * b), reverse, way)
            difference = float(value(1e-6) - value(-1e-6)) / 2e-6
            assert float(sum(jax.tree.leaves(products))) == pytest.approx(difference, rel=1e-6)
            assert float(jax.jvp(value, (0.0,), (1.0,))[1]) == pytest.approx(difference, rel=1e-6)

    def test_an_ensemble_is_called_under_vmap(self):
        keys = jax.random.split(jax.random.key(0), 3)
        stack = DeconvStack(1, [DCGAN])
        ensemble = jax.vmap(lambda key: Deconvolutional(stack, [2, 3], RELU, 0.3, key=key))(keys)
        x = jnp.ones((5, 1, 2))
        assert eqx.filter_vmap(lambda network: network(x))(ensemble).shape == (3, 5, 2, 3)
        with pytest.raises(ValueError, match=r"is an ensemble: .* Call it with"):
            ensemble(x)

    def test_repr_counts_parameters(self):
        network = deconvolutional(*STACKS[0])
        size = sum(leaf.size for leaf in jax.tree.leaves(network))
        assert "2x3x5 > 4x6x4 > 4x6x2, graph" in repr(network)
        assert f"beta=0.3, parameters={size})" in repr(network)

    @pytest.mark.parametrize("shape", [(), (5,), (3, 5), (2, 3, 4), (3, 2, 5)])
    def test_inputs_that_do_not_fit(self, shape):
        network = deconvolutional(*STACKS[0])
        with pytest.raises(ValueError, match=r"`x` must end in the shape \[2, 3, 5\], .*reshape"):
            network(jnp.ones(shape))

    @pytest.mark.parametrize(
        ("change", "error", "match"),
        [
            ({"stack": (4, 4)}, TypeError, "`stack` must be a DeconvStack"),
            ({"channels": [3, 1, 1]}, ValueError, "`channels` must be 2, "),
            ({"channels": [3, 0]}, ValueError, "`channels` must name"),
            ({"channels": 3}, TypeError, "`channels` must be a list"),
            ({"activation": jnp.tanh}, TypeError, "`activation`"),
            ({"beta": 1.0}, ValueError, "`beta`"),
        ],
    )
    def test_refusals(self, change, error, match):
        given = {"stack": DeconvStack(1, [DCGAN]), "channels": [3, 1], "activation": RELU}
        with pytest.raises(error, match=match):
            Deconvolutional(**(given | {"beta": 0.1} | change), key=jax.random.key(0))


def derivatives(form: Callable, xs: jax.Array, weights: jax.Array) -> list:
    """Of values and slopes of several networks and inputs, and of a sum over them."""

    def loss(x: jax.Array, weight: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sin(form(x, weight)))

    gradient = jax.grad(loss, (0, 1))
    found = [form(xs[0], weights[0])]
    found.append(jax.jvp(gradient, (xs[0], weights[0]), (xs[1], weights[1])))
    for x, weight, places in (
        (xs, weights, 0),
        (xs, weights[0], (0, None)),
        (xs[0], weights, (None, 0)),
    ):
        found.append(jax.vmap(gradient, places)(x, weight))

        def total(x: jax.Array, weight: jax.Array, places: object = places) -> jax.Array:
            return jnp.sum(jax.vmap(loss, places)(x, weight))

        found.append(jax.grad(total, (0, 1))(x, weight))
    return found


class TestTransposedConvolution:
    @pytest.mark.parametrize("numbers", [(4, 2, 1, 0), (5, 3, 4, 2), (3, 1, 1, 0), (3, 3, 0, 1)])
    def test_all_formulations_agree(self, numbers):
        axes = (
            graphs.AxisLayer(*numbers, 1, "nearest"),
            graphs.AxisLayer(3, 2, 1, 1, 1, "nearest"),
        )
        x = jax.random.normal(jax.random.key(0), (2, 4, 3, 5))
        weight = jax.random.normal(jax.random.key(1), (numbers[0], 3, 5, 2))
        product = formulations._by_product(x, weight, axes)
        assert product.shape == (2, axes[0].length(4), axes[1].length(3), 2)
        for other in (formulations._by_phases, formulations._dilated):
            np.testing.assert_allclose(other(x, weight, axes), product, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("numbers", "size", "after"),
        [((4, 2, 1, 0), (4, 3), 2), ((4, 2, 1, 0), (4, 3), 1), ((5, 3, 4, 2), (4, 3), 2),
         ((2, 3, 0, 1), (2, 1), 2), ((4, 1, 0, 0), (1, 1), 2)],
    )  # fmt: skip
    def test_derivatives_are_those_of_the_dilated_convolution(self, numbers, size, after):
        """Backward, forward, one upon the other, and under vmap; one position is a product."""
        axes = (
            graphs.AxisLayer(*numbers, 1, "nearest"),
            graphs.AxisLayer(3, 2, 1, 1, 1, "nearest"),
        )
        keys = jax.random.split(jax.random.key(0), 2)
        with jax.enable_x64(True):
            x = jax.random.normal(keys[0], (3, 2, *size, 15), "float64")
            weight = jax.random.normal(keys[1], (3, numbers[0], 3, 15, after), "float64") / 8
            ours, plain = (
                jax.jit(partial(derivatives, partial(form, axes=axes)))(x, weight)
                for form in (formulations.transposed_convolution, formulations._dilated)
            )
        for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)

    @pytest.mark.parametrize(
        ("numbers", "size"),
        [((4, 2, 1), (8, 6)), ((4, 2, 1), (7, 5)), ((5, 3, 2), (9, 4)), ((3, 1, 1), (5, 5)),
         ((4, 2, 1), (9,)), ((2, 3, 0), (7, 8))],
    )  # fmt: skip
    def test_strided_derivatives_are_those_of_the_plain_convolution(self, numbers, size):
        """Also where the last positions meet no window."""
        window, stride, padding = numbers
        axes = (graphs.AxisLayer(*numbers, 0, 1, "nearest"),) * len(size)
        letters = "HW"[: len(size)]

        def plain(x, weight):
            return jax.lax.conv_general_dilated(
                x, weight, [stride] * len(size), [(padding, padding)] * len(size),
                dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
            )  # fmt: skip

        keys = jax.random.split(jax.random.key(0), 3)
        with jax.enable_x64(True):
            x = jax.random.normal(keys[0], (2, *size, 5), "float64")
            weight = jax.random.normal(keys[1], (*[window] * len(size), 5, 2), "float64")
            pulled = []
            for form in (lambda x, w: formulations.strided_convolution(x, w, axes), plain):
                value, pullback = jax.vjp(form, x, weight)
                slope = jax.random.normal(keys[2], value.shape, "float64")
                pulled.append((value, *pullback(slope)))
        for ours, reference in zip(*pulled, strict=True):
            np.testing.assert_allclose(ours, reference, rtol=1e-10, atol=1e-10)

    def test_options_that_xla_does_not_know_are_left_out(self, monkeypatch):
        known = {"xla_backend_optimization_level": 0}
        for options, expected in ((known, known), (known | {"xla_no_such_option": 1}, {})):
            monkeypatch.setattr(formulations, "_OPTIONS", options)
            formulations.compiler_options.cache_clear()
            assert formulations.compiler_options() == expected
        formulations.compiler_options.cache_clear()

    @pytest.mark.parametrize(("width", "spacing", "start"), [(5, 2, 3), (2, 3, 0), (4, 4, 1)])
    def test_overlaps_are_added(self, width, spacing, start):
        pieces = np.random.default_rng(0).normal(size=(2, 4, width, 3)).astype(np.float32)
        laid = np.zeros((2, 40, 3))
        for i in range(4):
            laid[:, spacing * i : spacing * i + width] += pieces[:, i]
        found = formulations.overlap_add(jnp.asarray(pieces), 1, spacing, start, 12)
        np.testing.assert_allclose(found, laid[:, start : start + 12], atol=1e-5)


@pytest.mark.parametrize("kind", ["fully connected", "deconvolutional"])
def test_compiled_code_draws_the_same_weights(kind: str) -> None:
    """Where arrays of one shape are drawn together."""
    relu = standardized("relu")

    def arrays(key):
        if kind == "fully connected":
            network = FullyConnected([3, 5, 5, 5, 2], relu, 0.1, key=key)
        else:
            up = graphs.transposed_convolution(4, stride=2, padding=1)
            stack = DeconvStack((2, 2), [up] * 3)
            network = Deconvolutional(stack, [3, 4, 4, 1], relu, 0.1, key=key)
        return network.weights + network.biases

    key = jax.random.key(7)
    for drawn, compiled in zip(arrays(key), jax.jit(arrays)(key), strict=True):
        assert drawn.shape == compiled.shape
        assert jnp.array_equal(drawn, compiled)


class TestNewborn:
    @pytest.mark.parametrize("layer_norm", [None, "before", "after"])
    @pytest.mark.parametrize("depth", [2, 4])
    def test_is_the_network_of_its_weights(self, inputs, layer_norm, depth):
        key, width, beta = jax.random.key(3), 9, 0.3
        found = newborn(RELU, beta, depth, inputs, width, layer_norm=layer_norm, key=key)
        widths = [3, *[width] * (depth - 1), 1]
        network = FullyConnected(widths, RELU, beta, layer_norm=layer_norm, key=key)
        for part, drawn in zip(("weights", "biases"), _drawn(key, widths), strict=True):
            network = eqx.tree_at(lambda n, part=part: getattr(n, part), network, drawn)
        entering, outputs = network.forward(inputs)
        np.testing.assert_allclose(found.outputs, outputs[:, 0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.hidden, entering[-1], rtol=1e-5, atol=1e-5)
        given = 0.91 * np.asarray(entering[-1] @ entering[-1].T) / width + 0.09
        np.testing.assert_allclose(found.covariance, given, rtol=1e-5, atol=1e-5)

    def test_depth_and_beta_may_be_traced(self, inputs):
        @jax.jit
        def outputs(beta, depth):
            return newborn(RELU, beta, depth, inputs, 7, key=jax.random.key(0)).outputs

        for beta, depth in ((0.0, 2), (0.5, 6)):
            known = newborn(RELU, beta, depth, inputs, 7, key=jax.random.key(0)).outputs
            np.testing.assert_allclose(outputs(beta, depth), known, rtol=1e-5, atol=1e-6)

    def test_given_its_hidden_layers_it_is_gaussian(self, inputs):
        """Of one hidden layer, many last ones: their covariance within five standard errors."""
        found = newborn(RELU, 0.3, 2, inputs, 5, key=jax.random.key(4))
        weights = np.random.default_rng(0).standard_normal((100_000, 6))
        root = np.sqrt(0.91 / 5) * np.asarray(found.hidden)
        drawn = weights[:, :5] @ root.T + 0.3 * weights[:, 5:]
        sizes = np.outer(*[np.diag(found.covariance)] * 2)
        error = np.sqrt((sizes + np.asarray(found.covariance) ** 2) / len(weights))
        assert np.all(np.abs(drawn.T @ drawn / len(weights) - found.covariance) < 5 * error)

    def test_what_does_not_fit_is_refused(self, inputs):
        with pytest.raises(ValueError, match='`layer_norm` must be "before" or "after"'):
            newborn(RELU, 0.3, 2, inputs, 5, layer_norm="between", key=jax.random.key(0))
        with pytest.raises(ValueError, match="`width` must be"):
            newborn(RELU, 0.3, 2, inputs, 0, key=jax.random.key(0))
        with pytest.raises(ValueError, match="`depth` must be 2 or more"):
            newborn(RELU, 0.3, 1, inputs, 5, key=jax.random.key(0))


def _drawn(key, widths):
    """What a newborn network draws for a `FullyConnected` of these widths."""
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    numbers = [*range(1, len(shapes)), 0]  # the last layer has the same weights at every depth
    keys = [jax.random.split(jax.random.fold_in(key, number)) for number in numbers]
    weights = tuple(
        jax.random.normal(k[0], (before, after)).T
        for k, (after, before) in zip(keys, shapes, strict=True)
    )
    biases = tuple(
        jax.random.normal(k[1], (1, after))[0] for k, (after, _) in zip(keys, shapes, strict=True)
    )
    return weights, biases


BORN_WITH = {
    "fully connected": lambda beta: FullyConnected([3, 9, 7, 2], RELU, beta, key=jax.random.key(1)),
    "deconvolutional": lambda beta: Deconvolutional(
        DeconvStack((3, 2), (graphs.transposed_convolution(4, 2, 1),) * 2), [5, 4, 2], RELU, beta,
        key=jax.random.key(1),
    ),
}  # fmt: skip


class TestWithBeta:
    @pytest.mark.parametrize("make", BORN_WITH.values(), ids=BORN_WITH)
    @pytest.mark.parametrize("beta", [0.0, 0.1, 0.9])
    def test_it_is_the_network_of_that_beta_in_gradient_descent_too(self, make, beta):
        """At birth and after three steps; the share is traced."""
        turned, rates = jax.jit(with_beta)(make(0.4), beta)
        pairs = (turned, rates), (make(beta), jnp.ones_like(rates))
        x = jax.random.normal(jax.random.key(2), (6, 3))
        x = x if isinstance(turned, FullyConnected) else grids(turned, 6)
        outputs = []
        for network, factors in pairs:
            optimizer = optax.chain(optax.sgd(0.1), scale_by_layer(factors))
            for _ in range(3):
                outputs.append(network(x))
                slope = jax.grad(lambda net: jnp.mean((net(x) - 1) ** 2))(network)
                updates, _ = optimizer.update(slope, optimizer.init(network))
                network = eqx.apply_updates(network, updates)
        np.testing.assert_allclose(outputs[:3], outputs[3:], atol=5e-6)
        assert jnp.max(jnp.abs(outputs[0] - outputs[2])) > 0.01

    def test_its_own_beta_changes_nothing(self, network, inputs):
        turned, rates = with_beta(network, network.beta)
        np.testing.assert_allclose(rates, 1, rtol=1e-6)
        np.testing.assert_allclose(turned(inputs), network(inputs), atol=2e-6)

    def test_refusals(self, network):
        with pytest.raises(ValueError, match=r"`network` must have a beta above 0.*0.1"):
            with_beta(BORN_WITH["fully connected"](0.0), 0.1)
        with pytest.raises(ValueError, match=r"`beta` must lie in \[0, 1\); got 1"):
            with_beta(network, 1.0)
