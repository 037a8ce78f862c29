"""Deep in chaos, where the diagonal is beyond the range of floats: derivatives, DC-NN kernels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos import deconvolution, kernels, regimes
from freezechaos.__main__ import main
from freezechaos.activations import Activation, normalized, standardized
from freezechaos.graphs import convolution, transposed_convolution

CHAOTIC = normalized("relu")


def closed_slope(depth: int, beta: float = 0.1) -> float:
    """d theta / d cosine at cosine 1 for ReLU, the kink aside.

    There dSigma_l = r^(l-1) (1 - beta^2) dcosine and dTheta_(l+1) = dSigma_(l+1) + r dTheta_l, so
    that dTheta_L = L (1 - beta^2) r^(L-1), over Theta_L = (r^L - 1) / (r - 1).
    """
    r = (1 - beta**2) * np.pi / (np.pi - 1)
    return depth * (1 - beta**2) * (r - 1) / (r - r ** (1 - depth))


class TestDerivatives:
    @pytest.mark.parametrize("depth", [2, 100, 240, 300, 1000])
    def test_cosine_1_in_both_modes(self, depth):
        def theta(cosine):
            return kernels.ntk(CHAOTIC, 0.1, depth, cosine)

        wanted = pytest.approx(closed_slope(depth), rel=1e-4)
        assert float(jax.grad(theta)(1.0)) == wanted
        assert float(jax.jvp(theta, (1.0,), (1.0,))[1]) == wanted
        assert -float(jax.grad(lambda c: kernels.ntk_gap(CHAOTIC, 0.1, depth, c))(1.0)) == wanted

    @pytest.mark.parametrize("depth", [240, 1000])
    @pytest.mark.parametrize("kernel", [kernels.nngp, kernels.ntk, kernels.ntk_gap])
    def test_the_diagonal_does_not_feel_beta(self, kernel, depth):
        def value(beta):
            return kernel(CHAOTIC, beta, depth, jnp.float32(1))

        assert float(jax.grad(value)(0.1)) == 0
        assert float(jax.jvp(value, (0.1,), (1.0,))[1]) == 0

    @pytest.mark.parametrize(("name", "beta"), [("relu", 0.1), ("tanh", 0.05), ("gelu", 0.3)])
    @pytest.mark.parametrize("depth", [12, 240, 1000])
    def test_central_differences_off_the_diagonal(self, name, beta, depth):
        """Of float64 against float32; where both are tiny, only that they are."""
        act, cosines, step = normalized(name), np.array([-0.7, 0.0, 0.4, 0.999]), 1e-6
        every = (kernels.nngp, kernels.ntk)

        def at(beta, cosine):
            return jnp.stack([kernel(act, beta, depth, cosine) for kernel in every])

        with jax.enable_x64(True):
            c, b = jnp.asarray(cosines), jnp.float64(beta)
            differences = [
                (at(b + step, c) - at(b - step, c)) / (2 * step),
                (at(b, c + step) - at(b, c - step)) / (2 * step),
            ]
        for forward in (True, False):
            mode = jax.jacfwd if forward else jax.jacrev
            by_beta, by_cosine = jax.jit(mode(at, (0, 1)))(
                jnp.float32(beta), jnp.asarray(cosines, jnp.float32)
            )
            slopes = by_beta, jnp.einsum("kcc->kc", by_cosine)
            for slope, difference in zip(slopes, differences, strict=True):
                np.testing.assert_allclose(slope, difference, rtol=1e-4, atol=1e-7)

    def test_a_traced_depth_can_be_differentiated_in_reverse(self):
        slope = jax.jit(jax.grad(lambda c, depth: kernels.ntk(CHAOTIC, 0.1, depth, c)))
        assert float(slope(1.0, 300)) == pytest.approx(closed_slope(300), rel=1e-4)

    @pytest.mark.parametrize("act", [normalized("tanh"), standardized("gelu")])
    def test_what_no_float_holds_is_the_largest(self, act: Activation):
        """At cosine 1 the slope of a smooth activation grows like r^L, without end."""
        slope = float(jax.grad(lambda c: kernels.ntk(act, 0.0, 1000, c))(1.0))
        assert np.isfinite(slope)
        if kernels.log_ntk_diagonal(act, 0.0, 1000) > 90:
            assert slope == float(jnp.finfo(jnp.float32).max)


class TestBelowTheSmallestFloat:
    """theta itself, of which only the logarithm can be told."""

    @pytest.mark.parametrize(
        ("name", "beta", "cosine"), [("relu", 0.1, 0.0), ("tanh", 0.0, 0.3), ("tanh", 1e-7, 0.3)]
    )
    def test_float64_and_the_rate_of_decay(self, name, beta, cosine):
        act = normalized(name)
        depths = [100, 1600, 10_000]
        found = [kernels.log_abs_ntk(act, beta, depth, cosine) for depth in depths]
        with jax.enable_x64(True):
            direct = [
                float(jnp.log(jnp.abs(kernels.ntk(act, beta, depth, jnp.float64(cosine)))))
                for depth in depths[:2]
            ]
        assert found[:2] == pytest.approx(direct, rel=1e-12)
        rate = regimes.decay_rate(act, beta)
        steps = np.diff(depths)[1]
        # L q^L where the covariance dies out, q^L where it stays
        growth = np.log(depths[2] / depths[1]) if beta == 0 else 0.0
        assert found[2] - found[1] == pytest.approx(steps * np.log(rate) + growth, abs=2e-3)

    def test_float32_goes_to_zero(self):
        """It used to stay at the number whose change is rounded to 0."""
        assert float(kernels.ntk(CHAOTIC, 0.1, 10_000, 0.0)) == 0

    @pytest.mark.parametrize(
        ("depth", "shown"), [("300", "exp(-114.649)"), ("10000", "exp(-3734.01)")]
    )
    def test_command_line(self, depth, shown, capsys):
        assert main(["kernel", "--normalized", "--depth", depth]) == 0
        assert shown in capsys.readouterr().out

    def test_exact_zeros(self, capsys):
        assert kernels.log_abs_ntk(normalized("tanh"), 0.0, 5, 0.0) == -np.inf
        assert main(["kernel", "--activation", "tanh", "--beta", "0"]) == 0
        assert "theta        0\n" in capsys.readouterr().out


class TestDeconvolution:
    """[0.0625, 0.0249] stay beside a diagonal that grows like r^L."""

    @staticmethod
    def stack(depth: int) -> deconvolution.DeconvStack:
        return deconvolution.DeconvStack(3, [convolution(3, padding=1)] * depth)

    def exact(self, depth: int) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(deconvolution.ntk(self.stack(depth), CHAOTIC, 0.1, jnp.eye(3)))

    @pytest.mark.parametrize("depth", [190, 240, 1000])
    def test_float32(self, depth):
        found = deconvolution.compressed(self.stack(depth), CHAOTIC, 0.1, jnp.eye(3)).ntk
        off = ~np.eye(3, dtype=bool)
        wanted = self.exact(100)[off]  # they have settled by then
        assert np.asarray(found.dense())[off] == pytest.approx(wanted, rel=1e-5)
        scaled, log_scale = found.scaled()
        log_diagonal = np.log(np.asarray(scaled.diagonal())) + float(log_scale)
        expected = float(kernels.log_ntk_diagonal(CHAOTIC, 0.1, depth))
        assert log_diagonal == pytest.approx(expected, rel=1e-6)
        assert np.log(found.norm()) == pytest.approx(expected + np.log(3) / 2, rel=1e-6)

    def test_where_exponents_begin_nothing_jumps(self):
        """Depths on both sides of the one from which on they are carried."""
        for depth in (160, 161, 162, 163, 164, 165):
            found = np.asarray(deconvolution.ntk(self.stack(depth), CHAOTIC, 0.1, jnp.eye(3)))
            assert found == pytest.approx(self.exact(depth), rel=2e-5)

    def test_contribution_norms_are_finite(self):
        norms = deconvolution.contribution_norms(self.stack(240), CHAOTIC, 0.1, jnp.eye(3))
        assert np.isfinite(norms).all()
        r = (1 - 0.1**2) * np.pi / (np.pi - 1)
        # the diagonal of layer l gives (1 - beta^2) r^(L - l) and beta^2 r^(L - l), three times
        grown = np.sqrt(3) * r ** np.arange(239, -1, -1.0)
        assert norms[:200, 0] == pytest.approx(0.99 * grown[:200], rel=1e-4)
        assert norms[:200, 1] == pytest.approx(0.01 * grown[:200], rel=1e-4)

    def test_two_dimensions_and_strides(self):
        up = transposed_convolution(4, stride=2, padding=1)
        stack = deconvolution.DeconvStack((1, 2), [up] + [convolution(3, padding=1)] * 199)
        found = np.asarray(deconvolution.ntk(stack, CHAOTIC, 0.3, jnp.eye(2)))
        with jax.enable_x64(True):
            exact = np.asarray(deconvolution.ntk(stack, CHAOTIC, 0.3, jnp.eye(2)))
        assert found == pytest.approx(exact, rel=5e-5)

    def test_jit_may_return_it(self):
        plain = deconvolution.compressed(self.stack(3), CHAOTIC, 0.1, jnp.eye(3)).ntk
        jitted = jax.jit(
            lambda beta: deconvolution.compressed(self.stack(3), CHAOTIC, beta, jnp.eye(3)).ntk
        )(0.1)
        # entries are sums of numbers of size 1, each rounded
        assert jitted.dense() == pytest.approx(np.asarray(plain.dense()), rel=1e-6, abs=1e-6)
        doubled = jax.tree.map(lambda x: 2 * x, plain)
        assert doubled.norm() == pytest.approx(2 * plain.norm(), rel=1e-6)
