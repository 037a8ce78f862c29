"""Images per second of a whole train step: ours, the obvious convolutions of XLA, PyTorch.

PyTorch is no dependency: install it beside, `pip install torch`, or what is measured against it is
left out. Every arm runs in processes of its own, in turn.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from gan_step import CASES
from pytest_benchmark.fixture import BenchmarkFixture

TURNS, STEPS = 3, {32: 40, 64: 12}
SLOW = 4  # steps of the obvious version
SCRIPT = Path(__file__).with_name("gan_step.py")
ROWS = {
    "pytorch": "ours / PyTorch",
    "pytorch_keeping_memory": "ours / PyTorch, malloc as ours",
    "obvious": "ours / lax.conv_transpose",
}


def fastest(arm: str, case: str) -> float:
    """Seconds of the fastest step of a process."""
    steps = SLOW if arm == "obvious" else STEPS[CASES[case].size]
    command = [sys.executable, str(SCRIPT), arm, case, str(steps)]
    return min(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


@pytest.mark.benchmark(group="GAN step")
@pytest.mark.parametrize("case", CASES)
def test_step(benchmark: BenchmarkFixture, compare: Callable[..., None], case: str) -> None:
    others = [arm for arm in ROWS if find_spec("torch") or "torch" not in arm]
    seconds: dict[str, list[float]] = {arm: [] for arm in (*others, "ours")}

    def turn() -> None:
        for arm, times in seconds.items():
            times.append(fastest(arm, case))

    benchmark.pedantic(turn, rounds=TURNS, iterations=1)
    batch, ours = CASES[case].batch, min(seconds["ours"])
    for arm in others:
        name = f"{case}: images/s, {ROWS[arm]}"
        compare(name, batch / ours, batch / min(seconds[arm]), "/s")
