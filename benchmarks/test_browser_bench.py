"""What compiled code costs in Chromium: products, a kernel, a race; beside JAX on one core."""

import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from threadpoolctl import threadpool_limits

from freezechaos import activations, browser, kernels
from freezechaos.explorers import (
    Live,
    live_generator,
    race_on_the_circle,
    trainability,
    trainability_on_digits,
)

SIZE, ROUNDS = 512, 5
PLAIN = f"""(a, b) => {{
  const n = {SIZE}, c = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {{
    for (let j = 0; j < n; j++) {{
      let sum = 0;
      for (let k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
      c[i * n + j] = sum;
    }}
  }}
  return [c];
}}"""


@pytest.fixture(name="page")
def blank_page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


def seconds_in_page(page: Page, source: str, sizes: list[int]) -> float:
    """Return the seconds of a call, the fastest of a few, on random float32."""
    call = f"""([sizes, rounds]) => {{
      const compiled = {source};
      const given = sizes.map((size) => Float32Array.from({{ length: size }}, Math.random));
      const times = Array.from({{ length: rounds }}, () => {{
        const start = performance.now();
        compiled(...given);
        return performance.now() - start;
      }});
      return Math.min(...times) / 1000;
    }}"""
    return page.evaluate(call, [sizes, ROUNDS])


@pytest.mark.benchmark(group="a page that computes")
def test_product(benchmark: Any, page: Page, compare: Callable) -> None:
    example = jax.ShapeDtypeStruct((SIZE, SIZE), "float32")
    source = browser.compile(jnp.matmul, example, example)
    operations = 2e-9 * SIZE**3
    compiled, plain = (
        operations / seconds_in_page(page, code, [SIZE**2] * 2) for code in (source, PLAIN)
    )
    a = np.random.default_rng(0).random((SIZE, SIZE), np.float32)
    with threadpool_limits(1):
        benchmark(lambda: a @ a)
    one_core = operations / benchmark.stats.stats.min
    compare("product of the page / plain loop", compiled, plain, "GF")
    compare("product of the page / NumPy on one core", compiled, one_core, "GF")


@pytest.mark.benchmark(group="a page that computes")
def test_kernel(benchmark: Any, page: Page, compare: Callable) -> None:
    sigma = activations.standardized("relu")

    def theta(beta: jax.Array, cosine: jax.Array) -> jax.Array:
        return kernels.ntk(sigma, beta, 64, cosine)

    cosine = jnp.cos(jnp.linspace(0, jnp.pi, 361))
    source = browser.compile(theta, jnp.float32(0.1), cosine)
    compiled = jax.jit(theta)
    benchmark(lambda: compiled(jnp.float32(0.1), cosine).block_until_ready())
    page_seconds = seconds_in_page(page, source, [1, 361])
    compare("ntk at depth 64, 361 angles: page / JAX", page_seconds, benchmark.stats.stats.min)
    compare("its code / 0.1 MB", len(source) / 1e6, 0.1, "MB")


def code(explorer: Live) -> str:
    return zlib.decompress(b64decode(explorer.spec["live"]["code"])).decode()


@pytest.mark.benchmark(group="a page that computes")
@pytest.mark.parametrize("width", [64, 2048])
def test_race(benchmark: Any, page: Page, compare: Callable, width: int) -> None:
    race = race_on_the_circle(widths=(16, 32, width))
    programs = code(race)
    turn = f"""() => {{
      const program = ({programs})("{width}");
      let start = performance.now();
      let state = program.begin(0);
      const born = performance.now() - start;
      for (let k = 0; k < 5; k++) {{
        start = performance.now();
        state = program.advance(...state, 0.1);
      }}
      return [born / 1000, (performance.now() - start) / 1000];
    }}"""
    born, turned = benchmark.pedantic(page.evaluate, (turn,), rounds=1)
    start = perf_counter()
    race.at(0, width=width)
    compare(f"width {width}: drawn in the page / by JAX, traced", born, perf_counter() - start)
    compare(f"width {width}: 4 steps / 0.5 s", turned, 0.5)
    compare(f"width {width}: payload / 0.1 MB", race.payload_bytes / 1e6, 0.1, "MB")


@pytest.mark.benchmark(group="a page that computes")
@pytest.mark.parametrize("kind", ["ReLU", "ReLU, batch norm"])
def test_generator(benchmark: Any, page: Page, compare: Callable, kind: str) -> None:
    generator = live_generator(["ReLU", "ReLU, batch norm"], poster=1)
    taken = [{"seed": 0, "beta": 0.5}[name] for name in generator.spec["live"]["names"]["begin"]]
    run = f"""() => {{
      const program = ({code(generator)})("{kind}");
      let state = program.begin(...{taken});
      const times = Array.from({{ length: 40 }}, () => {{
        const start = performance.now();
        state = program.advance(...state, 0, 0.2); // of descent
        return performance.now() - start;
      }});
      return Math.min(...times) / 1000;
    }}"""
    step = benchmark.pedantic(page.evaluate, (run,), rounds=1)
    compare(f"{kind}: a run of 480 steps / a minute", 480 * step, 60)
    compare(f"{kind}: payload / 0.1 MB", generator.payload_bytes / 1e6, 0.1, "MB")


@pytest.mark.benchmark(group="a page that computes")
@pytest.mark.parametrize("depth", [4, 16])
def test_digits(benchmark: Any, page: Page, compare: Callable, depth: int) -> None:
    digits = trainability_on_digits(widths=(32, 128), depths=(4, 16), poster=1)
    run = f"""() => {{
      const program = ({code(digits)})("{depth},128");
      let start = performance.now();
      let state = program.begin(0.5, 0);
      const born = performance.now() - start;
      const times = Array.from({{ length: 8 }}, () => {{
        start = performance.now();
        state = program.advance(...state, 1);
        return performance.now() - start;
      }});
      return [born / 1000, Math.min(...times) / 1000];
    }}"""
    born, turned = benchmark.pedantic(page.evaluate, (run,), rounds=1)
    compare(f"depth {depth}: drawn, largest stable rate / 2 s", born, 2)
    compare(f"depth {depth}: a run of 256 steps / a minute", trainability.TURNS * turned, 60)
    compare(f"depth {depth}: payload / 0.1 MB", digits.payload_bytes / 1e6, 0.1, "MB")
