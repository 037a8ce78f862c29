"""Posterior, evidence, ensembles, and the kernel for scikit-learn in scikit-learn's ways of use."""

import pickle
from functools import partial

import numpy as np
import pytest
from scipy.linalg import expm
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from freezechaos import dynamics, regression
from freezechaos.activations import normalized, standardized
from freezechaos.regression import NNGP, NTK, process, room
from freezechaos.regression.scikit import NetworkKernel

RELU = standardized("relu")
KERNEL = 1.5 * NNGP(RELU, 0.2, 4) + NTK(normalized("tanh"), 0.3, 3)
DRAW = np.random.default_rng(0)
X, TEST = DRAW.normal(size=(30, 4)), DRAW.normal(size=(7, 4))
Y = np.stack([np.sin(X[:, 0]), X[:, 1]], axis=1)
NOISE = 0.05


class TestPosterior:
    def test_against_scikit_learn(self):
        """The same kernel, in its algorithm."""
        peer = NetworkKernel(beta=0.2, depth=4, beta_bounds="fixed")
        process = GaussianProcessRegressor(peer, alpha=NOISE, optimizer=None).fit(X, Y[:, 0])
        mean, covariance = process.predict(TEST, return_cov=True)
        found = regression.posterior(NNGP(RELU, 0.2, 4), X, Y[:, 0], TEST, noise=NOISE)
        np.testing.assert_allclose(found.mean, mean, rtol=1e-9)
        np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)
        np.testing.assert_allclose(found.deviation**2, np.diagonal(covariance), atol=1e-12)

    def test_is_the_joint_gaussian_given_a_part(self):
        """By one inverse of the precision matrix of everything: another road."""
        joint = KERNEL.precise(np.concatenate([TEST, X]))
        joint[7:, 7:] += NOISE * np.eye(30)
        precision = np.linalg.inv(joint)
        covariance = np.linalg.inv(precision[:7, :7])
        found = regression.posterior(KERNEL, X, Y, TEST, noise=NOISE)
        np.testing.assert_allclose(found.covariance, covariance, atol=1e-10)
        np.testing.assert_allclose(found.mean, -covariance @ precision[:7, 7:] @ Y, atol=1e-9)

    def test_equal_rows_without_noise_are_named(self):
        x = np.concatenate([X, 2 * X[3:4]])
        with pytest.raises(ValueError, match=r"rows \[\(3, 30\)\] are parallel.*raise `noise`"):
            regression.posterior(KERNEL, x, np.ones(31), TEST, noise=0.0)
        assert regression.duplicates(x) == [(3, 30)]

    def test_too_large_a_matrix_is_refused_before_it_is_made(self, monkeypatch):
        monkeypatch.setattr(room, "_free", lambda: 10_000)
        with pytest.raises(regression.OutOfMemoryError, match=r"takes 4.*e-05 GB.*regression.fit"):
            regression.posterior(KERNEL, X, Y, TEST, noise=NOISE)


class TestEvidence:
    def test_is_a_gaussian_density(self):
        covariance = KERNEL.precise(X) + NOISE * np.eye(30)
        _, determinant = np.linalg.slogdet(2 * np.pi * covariance)
        known = -(np.sum(Y * np.linalg.solve(covariance, Y)) + 2 * determinant) / 2
        np.testing.assert_allclose(regression.evidence(KERNEL, X, Y, noise=NOISE).value, known)

    def test_slopes(self):
        """In every number and the noise, against differences."""
        value = partial(regression.evidence, x=X, labels=Y)
        step, slopes = 1e-5, value(KERNEL, noise=NOISE).slopes
        assert slopes.keys() == KERNEL.numbers.keys() | {"noise"}
        for name, slope in slopes.items():
            ends = []
            for side in (step, -step):
                if name == "noise":
                    ends.append(value(KERNEL, noise=NOISE + side).value)
                else:
                    moved = KERNEL.replaced({name: KERNEL.numbers[name] + side})
                    ends.append(value(moved, noise=NOISE).value)
            np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-5)


class TestEnsemble:
    GIVEN = RELU, 0.3, 3

    def at(self, time, test=TEST):
        return regression.ensemble(NTK(*self.GIVEN), NNGP(*self.GIVEN), X, Y[:, 0], test, time=time)

    def test_at_time_0_it_is_the_prior(self):
        found = self.at(0)
        np.testing.assert_array_equal(found.mean, 0)
        np.testing.assert_allclose(found.covariance, NNGP(*self.GIVEN).precise(TEST), atol=1e-14)

    def test_in_the_limit_all_networks_fit_the_labels(self):
        found = self.at(np.inf, X)
        np.testing.assert_allclose(found.mean, Y[:, 0], atol=1e-9)
        np.testing.assert_allclose(found.covariance, 0, atol=1e-9)

    def test_the_mean_is_the_flow_from_0(self):
        gram, cross = NTK(*self.GIVEN).precise(X), NTK(*self.GIVEN).precise(TEST, X)
        flow = dynamics.flow(gram, Y[:, 0], cross)
        for time in (10.0, 1e3):
            np.testing.assert_allclose(self.at(time).mean, flow.test(time), atol=1e-5)

    def test_against_networks_that_start_at_draws(self):
        """A linear flow of all outputs, by the exponential of its matrix, of 20,000 draws."""
        everything, time, count = np.concatenate([X, TEST]), 40.0, 20_000
        root = np.linalg.cholesky(NNGP(*self.GIVEN).precise(everything) + 1e-12 * np.eye(37))
        starts = DRAW.normal(size=(count, 37)) @ root.T
        pull = np.zeros((37, 37))
        pull[:, :30] = NTK(*self.GIVEN).precise(everything, X) / 30
        target = np.concatenate([Y[:, 0], np.zeros(7)])
        ends = (starts - target) @ expm(-pull * time).T + target
        found = self.at(time)
        error = ends[:, 30:].std(axis=0) / np.sqrt(count)
        assert np.all(np.abs(ends[:, 30:].mean(axis=0) - found.mean) < 5 * error)
        sampled = np.cov(ends[:, 30:].T)
        wide = np.sqrt(np.outer(found.deviation**2, found.deviation**2) * 2 / count)
        assert np.all(np.abs(sampled - found.covariance) < 5 * wide)

    def test_a_negative_time_is_refused(self):
        with pytest.raises(ValueError, match="`time` must be 0 or more"):
            self.at(-1.0)
        with pytest.raises(ValueError, match="`noise` must be 0 or more"):
            process.evidence(KERNEL, X, Y, noise=-1.0)


class TestScikitLearn:
    KERNEL = NetworkKernel(depth=3)

    def test_parameters(self):
        assert clone(self.KERNEL).get_params() == self.KERNEL.get_params()
        assert clone(self.KERNEL) == self.KERNEL
        moved = clone(self.KERNEL).set_params(beta=0.3, kind="ntk")
        assert moved.value == NTK(RELU, 0.3, 3)
        assert pickle.loads(pickle.dumps(moved)) == moved
        np.testing.assert_allclose(np.exp(moved.theta), [0.3])
        assert repr(moved) == "NetworkKernel(ntk, standardized relu, beta=0.3, depth=3)"

    def test_gradient_is_that_in_the_logarithm(self):
        _, slope = self.KERNEL(X, eval_gradient=True)
        up, down = (
            self.KERNEL.clone_with_theta(self.KERNEL.theta + side)(X) for side in (1e-5, -1e-5)
        )
        np.testing.assert_allclose(slope[..., 0], (up - down) / 2e-5, atol=1e-8)

    def test_a_process_finds_beta(self):
        """And what it finds is a maximum of our evidence."""
        kernel = ConstantKernel(1.0, "fixed") * self.KERNEL + WhiteKernel(NOISE, "fixed")
        process = GaussianProcessRegressor(kernel).fit(X, Y[:, 0])
        beta = process.kernel_.k1.k2.beta
        found = regression.evidence(NNGP(RELU, beta, 3), X, Y[:, 0], noise=NOISE)
        np.testing.assert_allclose(process.log_marginal_likelihood_value_, found.value, rtol=1e-7)
        before = regression.evidence(NNGP(RELU, 0.1, 3), X, Y[:, 0], noise=NOISE)
        assert abs(found.slopes["beta"]) < 1e-2 * abs(before.slopes["beta"])

    def test_a_ridge_in_a_pipeline_in_a_search(self):
        model = make_pipeline(StandardScaler(), KernelRidge(kernel=self.KERNEL, alpha=0.1))
        grid = {"kernelridge__kernel__beta": [0.1, 0.5], "kernelridge__kernel__depth": [2, 4]}
        best = GridSearchCV(model, grid, cv=3).fit(X, Y).best_estimator_
        assert best.predict(TEST).shape == (7, 2)
        kernel = best[-1].kernel.value
        scaled = best[0].transform(X)
        by_hand = np.linalg.solve(kernel.precise(scaled) + 0.1 * np.eye(30), Y)
        known = kernel.precise(best[0].transform(TEST), scaled) @ by_hand
        np.testing.assert_allclose(best.predict(TEST), known, rtol=1e-8)

    def test_classifiers(self):
        kind = Y[:, 0] > 0
        fixed = clone(self.KERNEL).set_params(beta_bounds="fixed")
        for model in (SVC(kernel=fixed, C=100.0), GaussianProcessClassifier(fixed)):
            assert model.fit(X, kind).score(X, kind) > 0.8

    def test_refusals(self):
        with pytest.raises(ValueError, match="`form` must be one of"):
            NetworkKernel(form="ours")(X)
        with pytest.raises(ValueError, match='`kind` must be "ntk" or "nngp"'):
            NetworkKernel(kind="both")(X)
        with pytest.raises(ValueError, match="leave out `Y`"):
            self.KERNEL(X, TEST, eval_gradient=True)
