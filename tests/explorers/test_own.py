"""The reader's own activation: the page's numbers beside the package's; what it will not read."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from jax.scipy.special import erf
from playwright.sync_api import Browser, Page, expect

from freezechaos import kernels, regimes
from freezechaos.activations import Activation, normalized, standardized
from freezechaos.explorers import own
from freezechaos.explorers.fully_connected import DEGREES

pytestmark = pytest.mark.browser
where, relu = jnp.where, jax.nn.relu
QUICK: dict[str, Callable[[Any], Any]] = {
    "max(x, 0)": relu,
    "tanh(x)": jnp.tanh,
    "x * sigmoid(2*x)": lambda x: x * jax.nn.sigmoid(2 * x),
    "sin(3*x)": lambda x: jnp.sin(3 * x),
}
SLOW: dict[str, Callable[[Any], Any]] = {
    "max(x, x/10)": lambda x: jnp.maximum(x, x / 10),
    "erf(x)": erf,
    "x > 1/3 ? x - 1/3 : 2*(exp(x - 1/3) - 1)": lambda x: where(
        x > 1 / 3, x - 1 / 3, 2 * jnp.expm1(jnp.minimum(x - 1 / 3, 0))
    ),
    "x^3 - 3*x": lambda x: x**3 - 3 * x,
    "x": lambda x: x,
    "-2*x + 1": lambda x: -2 * x + 1,
    "x^2": lambda x: x**2,
    "x^4 - x": lambda x: x**4 - x,
    "cos(x)": jnp.cos,
    "sin(x) + cos(2*x)": lambda x: jnp.sin(x) + jnp.cos(2 * x),
    "sin(x)^2": lambda x: jnp.sin(x) ** 2,
    "tanh(5*x)": lambda x: jnp.tanh(5 * x),
    "tanh(x - 1)": lambda x: jnp.tanh(x - 1),
    "atan(2*x)": lambda x: jnp.arctan(2 * x),
    "x/sqrt(1 + x^2)": lambda x: x / jnp.sqrt(1 + x**2),
    "1/(1 + x^2)": lambda x: 1 / (1 + x**2),
    "x/(1 + x^2)": lambda x: x / (1 + x**2),
    "exp(-x^2)": lambda x: jnp.exp(-(x**2)),
    "exp(x)": jnp.exp,
    "exp(x^2/16)": lambda x: jnp.exp(x**2 / 16),
    "log(1 + x^2)": lambda x: jnp.log(1 + x**2),
    "sigmoid(x)": jax.nn.sigmoid,
    "softplus(3*x)": lambda x: jax.nn.softplus(3 * x),
    "gelu(x)": lambda x: jax.nn.gelu(x, approximate=False),
    "silu(x)": jax.nn.silu,
    "2^x": lambda x: 2.0**x,
    "pi*x + e": lambda x: jnp.pi * x + jnp.e,
    "abs(x)": jnp.abs,
    "abs(x - 1/2)": lambda x: jnp.abs(x - 0.5),
    "min(max(x, -1), 1)": lambda x: jnp.clip(x, -1, 1),
    "relu(x)^2": lambda x: relu(x) ** 2,
    "elu(x)": jax.nn.elu,
    "x > 0 && x < 2 ? x*(2 - x) : 0": lambda x: where((x > 0) & (x < 2), x * (2 - x), 0),
    "abs(abs(x) - 1) + x/5": lambda x: jnp.abs(jnp.abs(x) - 1) + x / 5,
    "sqrt(x^2)": jnp.abs,
    "max(tanh(x), -x/8, -1/2)": lambda x: jnp.maximum(jnp.maximum(jnp.tanh(x), -x / 8), -0.5),
}
JUMPS: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "x > 0 ? 1 : -1": (jnp.sign, [0.0]),
    "sign(x - 1) + x": (lambda x: jnp.sign(x - 1) + x, [1.0]),
}
BAD = {
    "": ("", "Type a formula"),
    "tanh(": (" ", "ends too early"),
    "2x": ("x", "write \\* to multiply"),
    "(x + 1": ("(", "never closed"),
    "x + 1)": (")", "cannot stand here"),
    "x +": (" ", "ends too early"),
    "tahn(x)": ("tahn", "Did you mean tanh"),
    "max(x)": ("max", "two numbers or more"),
    "tanh(x, 1)": ("tanh", "takes one number"),
    "tanh x": ("tanh", "in brackets"),
    "x > 0": ("x > 0", "a condition, not a number"),
    "x ? 1 : 2": ("x", "must be a condition"),
    "x > 0 ? x": (" ", "“:” must follow"),
    "x²": ("²", "Write \\^2"),
    "x ♥ 1": ("♥", "no part of a formula"),
    "1e400": ("1e400", "larger than numbers go"),
    "log(x)": ("log(x)", "logarithm of 0 or less at x = 0"),
    "1 + sqrt(x)": ("sqrt(x)", "root of a negative number"),
    "x^x": ("x^x", "This power has no value"),
    "2 + 1/x": ("1/x", "divides by 0"),
    "x > 0 ? log(x) : x": ("x > 0 ? log(x) : x", "no bounded slope near x = 0"),
    "sqrt(abs(x))": ("sqrt(abs(x))", "no bounded slope near x = 0"),
    "exp(x^2)": ("exp(x^2)", "grows too fast"),
    "exp(exp(x))": ("exp(exp(x))", "too large a number|grows too fast"),
    "7": ("7", "constant"),
    "abs(sin(9*x))": ("abs(sin(9*x))", "kinks; 12 can be followed"),
    "(" * 80 + "x" + ")" * 80: ("(", "more than 60"),
    "x" + "+x" * 200: ("x", "300 are read"),
    "alert(1)": ("alert", "is not known"),
    "constructor(x)": ("constructor", "is not known"),
}
DEPTHS = (2, 64, 1000)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page on which the script's own functions can be called."""
    page = browser.new_page()
    page.evaluate(
        """async ([script, program]) => {
            const type = "text/javascript";
            const load = (text) => import(URL.createObjectURL(new Blob([text], { type })));
            const names = "readFormula, understand, FormulaError";
            const rest = `export { ${names} }; export const use = (given) => { erf = given; };`;
            window.own = await load(script.replace("export default", "const shown =") + rest);
            window.program = (await load(program)).default;
            own.use((x) => window.program.erf(x)[0][0]);
        }""",
        [own.OwnActivation._esm, own.program()],
    )
    yield page
    page.close()


def computed(page: Page, formula: str, settings: list[tuple[str, float, int]]) -> list[dict]:
    found = page.evaluate(
        """([formula, settings]) => {
            const { seen, problem } = own.understand(formula, program);
            if (problem) throw problem;
            return settings.map(([form, beta, depth]) => {
                const given = [...seen.arrays, seen.values, program.forms[form], beta, depth];
                const numbers = program.drawn(...given).map((array) => Array.from(array));
                const named = Object.fromEntries(
                    program.names.map((name, k) => [name, numbers[k]]));
                const hermite = Array.from(seen.arrays[0]).slice(0, 64);
                return JSON.stringify({ ...named, hermite, jumping: seen.jumping },
                    (_, value) => (value === Infinity ? "inf" : value));
            });
        }""",
        [formula, settings],
    )
    return [json.loads(text) for text in found]


@pytest.mark.parametrize("formula", QUICK)
def test_the_page_computes_what_the_package_does(page: Page, formula: str) -> None:
    agree(page, formula, QUICK[formula], "standardized", standardized)
    agree(page, formula, QUICK[formula], "normalized", normalized)


@pytest.mark.weekly
@pytest.mark.parametrize("formula", SLOW)
def test_the_page_computes_what_the_package_does_for_others(page: Page, formula: str) -> None:
    assert len(QUICK) + len(SLOW) == 40
    agree(page, formula, SLOW[formula], "standardized", standardized)


def agree(
    page: Page,
    formula: str,
    function: Callable[[Any], Any],
    form: str,
    make: Callable[..., Activation],
) -> None:
    cosine = np.cos(np.deg2rad(DEGREES))
    sigma = make(function)
    critical = regimes.critical_beta(sigma)
    betas = [0.3, critical] if critical > 0 else [0.3]
    settings = [(form, beta, depth) for beta in betas for depth in DEPTHS]
    pages = computed(page, formula, settings)
    for (_, beta, depth), found in zip(settings, pages, strict=True):
        with jax.enable_x64(True):
            theta = np.asarray(kernels.ntk(sigma, beta, depth, jnp.asarray(cosine)))
        message = f"{formula}, β = {beta}, depth {depth}"
        np.testing.assert_allclose(found["theta"], theta, atol=1e-7, err_msg=message)
    r = sigma.derivative_second_moment * (1 - 0.3) * (1 + 0.3)
    np.testing.assert_allclose(pages[0]["r"], r, rtol=1e-9)
    np.testing.assert_allclose(pages[0]["meets"], regimes.fixed_point(sigma, 0.3), atol=1e-9)
    if critical > 0:  # r is 1 there
        np.testing.assert_allclose(pages[-1]["r"], 1, rtol=1e-9)
    np.testing.assert_allclose(found["shares"], sigma.centre[: own.DEGREE + 1], atol=1e-10)
    scale = np.sqrt(sigma.base.second_moment)
    np.testing.assert_allclose(found["hermite"], sigma.base.hermite[:64], atol=1e-10 * scale)


@pytest.mark.parametrize("formula", JUMPS)
def test_a_jump_is_told(page: Page, formula: str) -> None:
    function, places = JUMPS[formula]
    with pytest.raises(ValueError, match="it jumps"):
        standardized(function)
    (found,) = computed(page, formula, [("standardized", 0.3, 2)])
    assert found["jumping"] == places
    assert found["r"] == ["inf"]
    assert found["theta"] == [1, *[0] * (len(DEGREES) - 1)]
    if places == [0.0]:  # the arcsine law
        x, y = (np.reshape(found[name], (3, -1))[0] for name in "xy")
        (meets,) = found["meets"]
        assert meets == pytest.approx(0.91 * 2 / np.pi * np.arcsin(meets) + 0.09, abs=1e-12)
        assert meets < 1
        image = 2 / np.pi * np.arcsin(x)
        middle = np.abs(x) < 0.9
        np.testing.assert_allclose(y[middle], 0.91 * image[middle] + 0.09, atol=1e-9)


@pytest.mark.parametrize("formula", BAD, ids=lambda text: text[:16] or "nothing")
def test_a_bad_formula_is_told_what_is_wrong_and_where(page: Page, formula: str) -> None:
    marked, message = BAD[formula]
    problem = page.evaluate(
        "(formula) => { const { problem } = own.understand(formula, program);"
        "return problem && [problem.message, problem.at, problem.length]; }",
        formula,
    )
    assert problem, "it was read"
    text, at, length = problem
    assert re.search(message, text), text
    assert (formula + " ")[at : at + max(length, len(marked))].startswith(marked), problem


def test_a_reader_types(browser: Browser, publish: Callable[..., str]) -> None:
    """By keys, in the dark, on a phone; from a file, without a complaint or a request."""
    explorer = own.own_activation()
    address = publish(explorer, theme="dark")
    context = browser.new_context(viewport={"width": 375, "height": 800}, color_scheme="dark")
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url)
            if not request.url.startswith(("file:", "blob:", "data:")) else None)  # fmt: skip
    page.goto(address)
    sentence, field = page.locator(".fc-sentence"), page.get_by_label("a formula in x")
    problem, curves = page.locator(".fc-problem"), page.locator("path.fc-curve")
    expect(sentence).to_have_text(plain(explorer.sentence()))
    field.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("max(x, 0) - 0.4")
    expect(sentence).to_contain_text("max(x, 0) - 0.4, standardized, at β")
    expect(sentence).to_contain_text("chaos")
    expect(problem).to_be_empty()
    good = curves.first.get_attribute("d")
    page.keyboard.type(" +")
    expect(problem).to_contain_text("ends too early")
    expect(field).to_have_attribute("aria-invalid", "true")
    assert curves.first.get_attribute("d") == good
    page.get_by_role("slider", name="bias share β").press("End")
    expect(sentence).to_contain_text("max(x, 0) - 0.4, standardized, at β\u00a0=\u00a00.990")
    expect(sentence).to_contain_text("freeze")
    page.get_by_role("button", name="example: abs(x)").click()
    expect(sentence).to_contain_text("abs(x), standardized")
    expect(problem).to_be_empty()
    expect(field).to_have_value("abs(x)")
    page.wait_for_function("location.hash.includes('formula=abs(x)')")
    assert not Axe().run(page).response["violations"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    linked = address + "#own:formula=x%20%3E%200%20%3F%201%20%3A%20-1,form=normalized,depth=8"
    page.goto("about:blank")
    page.goto(linked)
    expect(sentence).to_contain_text("r\u00a0=\u00a0∞, chaos. It jumps at x = 0")
    page.get_by_role("button", name="Reset").click()
    expect(sentence).to_have_text(plain(explorer.sentence()))
    for broken in ("%", "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "x" * 5000):
        page.goto("about:blank")
        page.goto(f"{address}#own:formula={broken}")
        expect(sentence).to_contain_text("max(x, 0), standardized")
    expect(problem).to_contain_text("300 are read")
    assert page.locator("img").count() == 0
    assert not complaints, complaints
    context.close()


def plain(text: str) -> str:
    return text.replace(" = ", "\u00a0=\u00a0")


def test_python_draws_the_examples_that_the_page_reads(page: Page) -> None:
    x = np.linspace(-3, 3, 25)
    for formula, function in own.EXAMPLES.items():
        values = page.evaluate(
            "([text, x]) => x.map(own.readFormula(text).value)", [formula, x.tolist()]
        )
        with jax.enable_x64(True):
            np.testing.assert_allclose(values, function(jnp.asarray(x)), atol=1e-14)
    with pytest.raises(ValueError, match="must name one of the formulas"):
        own.own_activation(start={"formula": "exp(x)"})


def test_the_page_gets_little() -> None:
    assert own.own_activation().payload_bytes < 110_000
