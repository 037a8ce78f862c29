"""JAX functions in Chromium: what the compiled code gives, beside what JAX gives."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from playwright.sync_api import Browser, Page

from freezechaos import activations, browser, empirical, graphs, kernels, networks, normalization
from freezechaos.networks.convolutions import transposed_convolution

pytestmark = pytest.mark.browser
EPS = 2.0**-24  # of a rounding in float32
ARRAYS = {
    "float32": "Float32Array",
    "float64": "Float64Array",
    "int32": "Int32Array",
    "uint32": "Uint32Array",
    "bool": "Uint8Array",
}


@pytest.fixture(scope="module", name="page")
def blank_page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def plain(leaf: Any) -> np.ndarray:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def in_page(page: Page, source: str, *arguments: Any) -> list[np.ndarray]:
    """Call the function that `source` is with the leaves of `arguments`."""
    leaves = [plain(leaf) for leaf in jax.tree.leaves(arguments)]
    given = [[ARRAYS[x.dtype.name], x.ravel().astype(float).tolist()] for x in leaves]
    call = f"""(given) => {{
      const compiled = {source};
      const results = compiled(...given.map(([kind, values]) => globalThis[kind].from(values)));
      return results.map((result) => [result.constructor.name, Array.from(result)]);
    }}"""
    return [np.array(values, float) for _, values in page.evaluate(call, given)]


def check(page: Page, function: Callable, *arguments: Any, roundings: float = 16) -> None:
    """Floats agree to so many roundings of the largest, or of 1; all else agrees exactly."""
    results = in_page(page, browser.compile(function, *arguments), *arguments)
    expected = [plain(leaf) for leaf in jax.tree.leaves(jax.jit(function)(*arguments))]
    assert len(results) == len(expected)
    for result, leaf in zip(results, expected, strict=True):
        known = leaf.astype(float).ravel()
        finite = known[np.isfinite(known)]
        size = max(1, np.max(np.abs(finite), initial=0))
        error = roundings * EPS * size if leaf.dtype.kind == "f" else 0
        np.testing.assert_allclose(result, known, rtol=0, atol=error)


RNG = np.random.default_rng(0)
UP = (graphs.transposed_convolution(4, stride=2, padding=1).along(0),) * 2


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def whole(*shape: int) -> jax.Array:
    return jnp.asarray(RNG.integers(-50, 50, size=shape), jnp.int32)


KEY = jax.random.key(3)
MIXED = jnp.asarray([0.0, -0.0, 1.0, -2.5, 0.5, 1.5, 1e-30, -1e30, jnp.inf, -jnp.inf, jnp.nan])
CASES: dict[str, tuple] = {
    "smooth": (
        lambda x: [f(x) for f in (jnp.sin, jnp.cos, jnp.tan, jnp.exp, jnp.expm1, jnp.tanh,
                                  jnp.arctan, jnp.sinh, jnp.exp2, jax.nn.sigmoid, jnp.cbrt)],
        normal(3, 5),
    ),
    "on an interval": (
        lambda x: [f(x) for f in (jnp.log1p, jnp.arcsin, jnp.arccos, jnp.arctanh,
                                  jax.scipy.special.erfinv)],
        jnp.linspace(-0.999, 0.999, 60),
    ),
    "positive": (
        lambda x: [jnp.sqrt(x), lax.rsqrt(x), jnp.log(x), jnp.log2(x), x**0.3,
                   jnp.ldexp(x, jnp.floor(10 * x).astype(jnp.int32))],
        normal(20) ** 2 + 0.1,
    ),
    "erf": (
        lambda x: [jax.scipy.special.erf(x), jax.scipy.special.erfc(x)],
        jnp.linspace(-6, 6, 60),
    ),
    "steps": (
        lambda x: [f(x) for f in (jnp.abs, jnp.sign, jnp.floor, jnp.ceil, jnp.round, jnp.isfinite,
                                  jnp.isnan, lambda x: -x, lambda x: x > 0.5)],
        MIXED,
    ),
    "extremes": (lambda x, y: [jnp.maximum(x, y), jnp.minimum(x, y)], MIXED, MIXED[::-1]),
    "powers": (lambda x: [x**2, x**3, x**5, x**-2], normal(9)),
    "int32": (
        lambda a, b: [a + b, a * b * 123456789, lax.div(a, b), lax.rem(a, b), a // b, a % b, a & b,
                      a | b, a ^ b, ~a, a << 3, a >> 2, a.astype(jnp.float32) / 7],
        whole(20), whole(20) + 70,
    ),
    "uint32": (
        lambda a: [a * a, a - jnp.uint32(5), a >> 3, a << 7, ~a, a.astype(jnp.float32)],
        jnp.arange(20, dtype=jnp.uint32) * np.uint32(123456789),
    ),
    "conversions": (
        lambda x: [x.astype(jnp.int32), x.astype(bool), (x > 0).astype(jnp.float32),
                   lax.bitcast_convert_type(x, jnp.int32)],
        normal(9) * 10,
    ),
    "choices": (
        lambda x: [jnp.where(x > 0, x, -2 * x), jnp.clip(x, -0.5, 0.5), jnp.where(x.sum() > 0, 1.0,
                   2.0) * x, jnp.where(x.sum() > 1e9, x.sum(), jnp.nan)],
        normal(4, 5),
    ),
    "random": (
        lambda k: [jax.random.bits(k, (7, 3)), jax.random.bits(jax.random.split(k, 3)[1], (5,)),
                   jax.random.bits(jax.random.fold_in(k, 5)), jax.random.permutation(k, 10),
                   jax.random.randint(k, (9,), 0, 17), jax.random.uniform(k, (9,)),
                   jax.vmap(lambda k: jax.random.bits(k, (3,)))(jax.random.split(k, 4))],
        KEY,
    ),
    "seeds": (lambda seed: jax.random.bits(jax.random.key(seed), (5,)), jnp.int32(77)),
    "normal numbers": (lambda k: jax.random.normal(k, (300,)), KEY),
    "products": (
        lambda a, b: [a @ b.T, a.T @ a, a @ b[0], b[0] @ b[1]], normal(9, 7), normal(11, 7)
    ),
    "contractions": (
        lambda a, b: [jnp.einsum("bij,bkj->bik", a, b), jnp.einsum("bij,bkj->ki", a, b)],
        normal(3, 4, 5), normal(3, 6, 5),
    ),
    "reductions": (
        lambda a: [a.sum(), a.sum((0, 2)), a.max(1), a.min(), a.prod(2), a.std(0), (a > 0).any(0),
                   (a > 0).all(1), jnp.argmax(a, 1), jnp.argmin(a)],
        normal(3, 4, 5),
    ),
    "running": (
        lambda a: [jnp.cumsum(a, 0), jnp.cumprod(a, 1), lax.cummax(a, 1, reverse=True),
                   lax.cumlogsumexp(a, 0)],
        normal(4, 5),
    ),
    "joins": (
        lambda a, b: [jnp.concatenate([a, b], 1), jnp.stack([a, a * 2], 1), jnp.roll(a, 1, 1),
                      jnp.tile(a, (2, 3)), jnp.repeat(a, 2, 0), jnp.pad(a, ((1, 2), (0, 1)))],
        normal(3, 4), normal(3, 2),
    ),
    "margins": (
        lambda a: [lax.pad(a, 0.5, ((-1, 2, 1), (3, -2, 0))), lax.pad(a, 0.0, ((2, -3, 2),) * 2)],
        normal(4, 5),
    ),
    "gathers": (
        lambda a, i: [a[i], a[i, i % 4], jnp.take_along_axis(a, i[:, None] % 4, 1), a[-1],
                      jnp.take(a, i + 3, axis=0)],
        normal(6, 4), jnp.array([0, 2, 3, 1, 5, 2]),
    ),
    "scatters": (
        lambda a, i: [a.at[i].add(1.0), a.at[i, 1].set(7.0), a.at[:, i % 4].mul(2.0),
                      a.at[i + 3].add(1.0), a.at[1].max(0.0)],
        normal(6, 4), jnp.array([0, 2, 3, 1, 5, 4]),
    ),
    "moving windows": (
        lambda a, i: [lax.dynamic_slice(a, (i, 1), (2, 3)),
                      lax.dynamic_update_slice(a, a[:2, :2] * 9, (i, 2))],
        normal(5, 6), jnp.int32(4),
    ),
    "sorting": (
        lambda a: [jnp.sort(a), jnp.argsort(a, 0), jnp.sort(a, 0, descending=True),
                   lax.top_k(a, 3)],
        normal(5, 6).at[1].set(0.5),
    ),
    "scan": (
        lambda a: lax.scan(lambda c, x: ((c[1], c[0] + x), c[0] * x), (jnp.zeros(4), jnp.ones(4)),
                           a, reverse=True),
        normal(6, 4),
    ),
    "scan of one turn": (
        lambda a: lax.scan(lambda c, x: (c + x, c), jnp.zeros(4), a), normal(1, 4)
    ),
    "while": (
        lambda a: lax.while_loop(lambda c: c[0].sum() < 100, lambda c: (c[0] * 2, c[1] + 1),
                                 (jnp.abs(a), 0)),
        normal(4),
    ),
    "cond": (
        lambda a, i: [lax.cond(a.sum() > 0, lambda a: (a * 2, a.sum()), lambda a: (a - 1, 0.0), a),
                      lax.switch(i, [lambda a: a, lambda a: a * 3, jnp.sin], a)],
        normal(4), jnp.int32(1),
    ),
    "counting": (
        lambda a: [lax.iota(jnp.float32, 4) + a, jnp.eye(4), jnp.tril(jnp.outer(a, a))], normal(4)
    ),
    "convolution": (
        jax.grad(
            lambda x, w: (lax.conv_general_dilated(
                x, w, (2, 1), "SAME", rhs_dilation=(1, 2),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            ) ** 2).sum(),
            (0, 1),
        ),
        normal(2, 7, 6, 3), normal(3, 3, 3, 4),
    ),
    "convolution in groups": (
        lambda x, w: lax.conv_general_dilated(x, w, (1,), [(1, -1)], feature_group_count=2),
        normal(2, 4, 7), normal(6, 2, 3),
    ),
    "convolution of the package": (
        jax.grad(lambda x, w: (transposed_convolution(x, w, UP) ** 2).sum(), (0, 1)),
        normal(3, 4, 4, 2), normal(4, 4, 2, 3),
    ),
    "up-sampling": (lambda x, w: lax.conv_transpose(x, w, (2, 2), "SAME"), normal(2, 4, 3, 3),
                    normal(4, 4, 3, 2)),
    "windows": (
        lambda x: [lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"),
                   lax.reduce_window(x, 0.0, lax.add, (2, 3), (1, 2), "SAME")],
        normal(5, 6),
    ),
    "factors": (
        lambda a, b: jax.scipy.linalg.cho_solve(
            jax.scipy.linalg.cho_factor(a @ a.T + 5 * jnp.eye(5)), b),
        normal(5, 5), normal(5, 2),
    ),
    "eigenvectors": (
        lambda *matrices: [
            (values, vectors.T @ vectors, vectors * values[None] @ vectors.T)
            for values, vectors in map(jnp.linalg.eigh, matrices)
        ],
        normal(5, 5), normalization.odd_gram(1.001, 8).astype(jnp.float32), jnp.ones((2, 2)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_primitives_agree_with_jax(page: Page, name: str) -> None:
    check(page, *CASES[name])


@settings(derandomize=True, max_examples=5, deadline=None)
@given(data=st.data())
def test_any_shape_is_walked_as_jax_walks_it(page: Page, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    order = data.draw(st.permutations(range(len(shape))))
    axis = data.draw(st.integers(0, len(shape) - 1))
    back = data.draw(st.booleans())

    def function(x: jax.Array) -> list[jax.Array]:
        y = jnp.tanh(x.transpose(order))
        y = jnp.flip(y, axis) if back else y
        means = jnp.broadcast_to(jnp.mean(y, axis, keepdims=True), y.shape)
        return [
            y - means,
            (y * means).reshape(-1)[::-1] + 1,
            (y[..., None] * y[..., None, :]).sum(0),
        ]

    check(page, function, normal(*shape))


@st.composite
def products(draw: st.DrawFn) -> tuple:
    """Two matrices or stacks of them, each as it lies, transposed or backwards; sum and size."""
    m, n, k = draw(st.integers(1, 13)), draw(st.integers(1, 27)), draw(st.integers(1, 150))
    batch = draw(st.sampled_from([(), (3,)]))
    transposed, back = (draw(st.tuples(st.booleans(), st.booleans())) for _ in range(2))
    given = [
        normal(*batch, *(shape[::-1] if turned else shape))
        for shape, turned in zip(((m, k), (k, n)), transposed, strict=True)
    ]

    def function(*matrices: jax.Array) -> jax.Array:
        a, b = (
            (x.mT if turned else x)[..., ::-1, :] if flipped else (x.mT if turned else x)
            for x, turned, flipped in zip(matrices, transposed, back, strict=True)
        )
        return a @ b

    return function, given, k


@settings(derandomize=True, max_examples=20, deadline=None)
@given(drawn=products())
def test_products_with_and_without_simd(page: Page, drawn: tuple) -> None:
    """The error of a sum of k terms in float32 is k roundings of the terms' sizes, at most."""
    function, given, k = drawn
    source = browser.compile(function, *given)
    exact = function(*(np.asarray(x, np.float64) for x in given))
    bound = k * EPS * function(*(np.abs(np.asarray(x, np.float64)) for x in given))
    for code in (source, without_webassembly(source)):
        (result,) = in_page(page, code, *given)
        assert np.all(np.abs(result - exact.ravel()) <= bound.ravel())


def without_webassembly(source: str) -> str:
    return f"(()=>{{const WebAssembly=undefined;return {source}}})()"


def test_a_long_sum_loses_no_digits(page: Page) -> None:
    """Of 100,000 times 0.1, in sums of 64; in a single one it would be wrong by 1.4e-4."""
    terms = 100_000
    a, b = jnp.full((4, terms), 0.1), jnp.ones((terms, 8))
    (result,) = in_page(page, browser.compile(jnp.matmul, a, b), a, b)
    bound = (64 + terms / 64) * EPS
    np.testing.assert_allclose(result, terms * np.float64(np.float32(0.1)), rtol=bound)


def test_simd_is_used_where_it_is(page: Page) -> None:
    """A sum of float32, rounded once as the loop does it, or at every step as vectors do."""
    a, b = normal(8, 60), normal(60, 8)
    source = browser.compile(jnp.matmul, a, b)
    loop = in_page(page, without_webassembly(source), a, b)[0]
    exact = np.asarray(a, np.float64) @ np.asarray(b, np.float64)
    np.testing.assert_array_equal(loop, exact.astype(np.float32).ravel())
    assert np.any(in_page(page, source, a, b)[0] != loop)


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_the_kernel_is_the_package_s_at_any_depth(page: Page, name: str) -> None:
    sigma = activations.standardized(name)

    def theta(beta: jax.Array, depth: jax.Array, cosine: jax.Array) -> jax.Array:
        return kernels.ntk(sigma, beta, depth, cosine)

    for dtype, error in ((np.float32, 1e-5), (np.float64, 1e-9)):
        with jax.enable_x64(dtype is np.float64):
            cosine = jnp.asarray(np.cos(np.linspace(0, np.pi, 46)), dtype)
            depth = jax.ShapeDtypeStruct((), jnp.int32)
            source = browser.compile(theta, jnp.asarray(0.1, dtype), depth, cosine)
            for beta, layers in ((0.1, 8), (0.6, 64), (0.1, 1000)):
                given = jnp.asarray(beta, dtype), jnp.int32(layers), cosine
                (seen,) = in_page(page, source, *given)
                np.testing.assert_allclose(seen, theta(*given), rtol=0, atol=error)


def test_a_step_of_training_is_the_package_s(page: Page) -> None:
    sigma, points = activations.standardized("erf"), networks.circle(jnp.linspace(0.0, 6, 8))
    labels = jnp.sign(jnp.sin(jnp.arange(8.0)))

    def step(seed: jax.Array, rate: jax.Array) -> Any:
        network = networks.FullyConnected([2, 24, 32, 1], sigma, 0.3, key=jax.random.key(seed))
        return empirical.train(network, points, labels, learning_rate=rate, steps=3)

    given = jnp.int32(5), jnp.float32(0.1)
    results = in_page(page, browser.compile(step, *given), *given)
    for result, leaf in zip(results, jax.tree.leaves(step(*given)), strict=True):
        np.testing.assert_allclose(result, np.ravel(leaf), rtol=0, atol=1e-5)


def test_denormal_numbers_are_zero(page: Page) -> None:
    check(page, lambda x: [x * x, (x * 1e-20) * 1e20, x * 1e-12], jnp.float32([1e-20, 3e-28, 1.0]))
    (tiny, *_), *_ = in_page(
        page, browser.compile(lambda x: x * x, MIXED[:1]), jnp.float32([1e-20])
    )
    assert tiny == 0


def test_sizes_share_one_code(page: Page) -> None:
    def function(x: jax.Array) -> jax.Array:
        return jnp.tanh(x / len(x)) @ jnp.outer(x, x)

    sources = {
        str(n): browser.compile(function, jax.ShapeDtypeStruct((n,), "float32")) for n in (3, 5, 8)
    }
    code = browser.of_sizes(sources)
    assert len(code) < 1.3 * len(sources["8"])
    for n in (3, 5, 8):
        (result,) = in_page(page, f'({code})("{n}")', normal(n) * 0 + 0.5)
        np.testing.assert_allclose(result, function(jnp.full(n, 0.5)), atol=32 * EPS)


def test_loops_that_are_alike_are_one_function(page: Page) -> None:
    def function(*arrays: jax.Array) -> list[jax.Array]:
        return [jnp.tanh(x) * k for k, x in enumerate(arrays, 2)]

    given = normal(3), normal(5), normal(4, 2)
    code = browser.of_sizes({"": browser.compile(function, *given)})
    assert code.count("tanh") == 1
    for result, known in zip(in_page(page, f'({code})("")', *given), function(*given), strict=True):
        np.testing.assert_allclose(result, np.ravel(known), rtol=0, atol=8 * EPS)


def test_codes_that_differ_share_long_constants(page: Page) -> None:
    table = normal(99)
    codes = {"sum": lambda x: jnp.sum(x + table), "sine": lambda x: jnp.sin(x) * table}
    sources = {name: browser.compile(function, table) for name, function in codes.items()}
    code = browser.of_sizes(sources)
    coded = b64encode(np.asarray(table).tobytes()).decode()
    assert [text.count(coded) for text in (*sources.values(), code)] == [1, 1, 1]
    for name, function in codes.items():
        (result,) = in_page(page, f'({code})("{name}")', table)
        np.testing.assert_allclose(result, np.ravel(function(table)), rtol=1e-6, atol=8 * EPS)


def test_functions_share_their_constants(page: Page) -> None:
    table = normal(30)
    both = browser.compile_all(
        sums=(lambda x: x + table, [table]), products=(lambda x: x * table, [table])
    )
    assert len(both) < len(browser.compile(lambda x: x + table, table)) + 400
    for name, known in (("sums", table + 2), ("products", table * 2)):
        (result,) = in_page(page, f"{both}.{name}", jnp.full(30, 2.0))
        np.testing.assert_array_equal(result, known)


def test_what_does_not_fit_is_said(page: Page) -> None:
    source = browser.compile(lambda x: x + 1, normal(3))
    error = page.evaluate(f"() => {{ try {{ {source}([1]) }} catch (e) {{ return e.message }} }}")
    assert error == "argument 0 must have 3 elements; got 1"


def test_an_unknown_primitive_is_named_with_its_function_and_line() -> None:
    def spectrum(x: jax.Array) -> jax.Array:
        return jnp.linalg.svd(x, compute_uv=False)

    with pytest.raises(browser.Unsupported, match=r"`svd`.*spectrum.*test_browser\.py:\d+"):
        browser.compile(spectrum, normal(3, 3))


def test_a_loop_with_turns_for_each_entry_is_refused() -> None:
    """What vmap makes of it has a condition for each entry, which no loop of a page has."""

    def function(turns: jax.Array) -> jax.Array:
        return jax.vmap(lambda n: lax.fori_loop(0, n, lambda _, y: y + 1.0, 0.0))(turns)

    with pytest.raises(browser.Unsupported, match=r"Use jax\.lax\.map"):
        browser.compile(function, jnp.arange(3))


def test_what_is_computed_twice_or_never_is_not_in_the_code() -> None:
    once = browser.compile(lambda x: jnp.tanh(x) ** 2, normal(3))
    twice = browser.compile(lambda x: (jnp.tanh(x) * jnp.tanh(x), jnp.sin(x))[0], normal(3))
    assert once.count("tanh") == twice.count("tanh") == 1
    assert "sin(" not in twice


def test_what_a_loop_does_not_change_is_in_front_of_it() -> None:
    def function(x: jax.Array) -> jax.Array:
        return lax.fori_loop(0, 9, lambda _, y: y + jnp.tanh(x), x)

    source = browser.compile(function, normal(40))
    maker = next(line for line in source.split("\n") if "tanh" in line)
    name = maker.split("function ")[1].split("(")[0]
    body = source[source.index("=>{let x") :]
    assert body.index(f"{name}(") < body.index("for(let")
