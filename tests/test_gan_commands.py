"""The command line, from training to a report; what it refuses, and how."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
from PIL import Image

from freezechaos.gan import commands, training
from freezechaos.gan.checkpoints import Checkpoints, read_preset
from freezechaos.gan.experiments import EXPERIMENTS

TRAIN = (
    "train --preset smoke --width 4 --discriminator-width 2 --convolutions 0 --latent 4 "
    "--batch 4 --record 2 --save 2 --quiet"
)
INDICATORS = (
    "diversity", "variance", "checkerboard_2", "checkerboard_4", "lattice", "lattice_prominence",
    "near_nyquist", "border_brightness", "border_contrast",
)  # fmt: skip
DISTANCES = (
    "frechet", "kernel", "kernel_error", "precision", "recall", "density", "coverage", "classes",
    "effective_classes",
)  # fmt: skip


def listing(folder: Path) -> dict[str, int]:
    """Every file and folder there, and when it was last written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture
def there(tmp_path, monkeypatch):
    """An empty folder, where runs/ comes to lie."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A folder with a run of four steps in runs/smoke."""
    folder = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert commands.main([*TRAIN.split(), "--steps", "4"]) == 0
    return folder


@pytest.fixture
def inside(run, monkeypatch) -> Path:
    """The folder of the run, from where it was started."""
    monkeypatch.chdir(run)
    return Path("runs/smoke")


def rows_of(text: str) -> dict[str, list[float]]:
    """The rows of a report by name."""
    found = re.findall(r"^(\S[^\n]*?) {2,}((?: *-?[\d.]+){3})$", text, re.MULTILINE)
    return {name: [float(value) for value in values.split()] for name, values in found}


class TestTrain:
    def test_leaves(self, run):
        folder = run / "runs" / "smoke"
        assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["2", "4"]
        assert [path.name for path in sorted((folder / "samples").iterdir())] == [
            "000002.png", "000004.png",
        ]  # fmt: skip
        with Image.open(folder / "film.gif") as film:
            assert film.n_frames == 2
        assert read_preset(folder).width == 4

    def test_keeps_memory_once_all_is_compiled(self, there, monkeypatch):
        calls = []
        advance = training.advance
        monkeypatch.setattr(commands.devices, "keep_memory", lambda: calls.append("kept"))
        monkeypatch.setattr(
            training, "advance", lambda *given: (calls.append("steps"), advance(*given))[1]
        )
        assert commands.main([*TRAIN.split(), "--steps", "2", "--folder", "a"]) == 0
        assert calls[:2] == ["steps", "kept"]

    def test_goes_on(self, there, capsys):
        assert commands.main([*TRAIN.split(), "--steps", "2", "--folder", "a"]) == 0
        assert commands.main([*TRAIN.split(), "--steps", "4", "--folder", "a"]) == 0
        assert "a: 4 steps; pictures in a/samples, film in a/film.gif" in capsys.readouterr().out
        lines = Path("a/metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [2, 4]
        assert len(list(Path("a/samples").iterdir())) == 2

    def test_picture_that_a_kill_took(self, there):
        assert commands.main([*TRAIN.split(), "--steps", "2", "--folder", "a"]) == 0
        Path("a/samples/000002.png").unlink()
        assert commands.main([*TRAIN.split(), "--steps", "2", "--folder", "a"]) == 0
        assert Path("a/samples/000002.png").exists()


class TestSample:
    def test_is_a_page(self, inside, tmp_path, capsys):
        out = tmp_path / "page.png"
        assert commands.main(["sample", "--count", "5", "--out", str(out)]) == 0
        assert capsys.readouterr().out == f"{out}\n"
        with Image.open(out) as page:
            side = 2 * 18  # pixels of an image and the gap, each twice as wide
            assert (page.size, page.mode) == ((3 * side - 4, 2 * side - 4), "L")

    def test_seed_and_average(self, inside, tmp_path):
        pages = []
        for i, more in enumerate([[], [], ["--seed", "1"], ["--no-average"]]):
            out = tmp_path / f"{i}.png"
            command = ["sample", "--folder", str(inside), "--count", "4", "--out", str(out), *more]
            assert commands.main(command) == 0
            with Image.open(out) as page:
                pages.append(np.asarray(page))
        assert np.array_equal(pages[0], pages[1])
        assert not np.array_equal(pages[0], pages[2])
        assert not np.array_equal(pages[0], pages[3])


class TestReport:
    def test_names_all_indicators(self, inside, capsys):
        assert commands.main(["report", "--count", "64"]) == 0
        text = capsys.readouterr().out
        assert text.startswith("runs/smoke, step 4, 64 images\n")
        assert text.splitlines()[1].split() == ["generator", "average", "real"]
        assert tuple(rows_of(text)) == INDICATORS
        assert "python -m freezechaos.gan classifier --folder runs/smoke" in text

        assert commands.main(["classifier", "--steps", "50", "--quiet"]) == 0
        written = capsys.readouterr().out
        share = re.fullmatch(r"(\S+digits-16x1.eqx): right for ([\d.]+)% of .*\n", written)
        assert Path(share[1]).exists()
        assert float(share[2]) > 30  # of 10 digits

        assert commands.main(["report", "--count", "64"]) == 0
        text = capsys.readouterr().out
        rows = rows_of(text)
        assert tuple(rows) == INDICATORS + DISTANCES
        assert f"right for {share[2]}% of test images" in text
        fake, _, real = rows["frechet"]
        assert fake > real > 0
        assert rows["precision"][2] > 0.5
        assert rows["recall"][2] > 0.5

    @pytest.mark.parametrize("command", ["report", "sample"])
    def test_writes_nothing_into_a_run(self, inside, command):
        """Nor does it tidy up what another process is about to write."""
        preset = read_preset(inside)
        with Checkpoints(inside, preset):
            (half := inside / "checkpoints" / "6.orbax-checkpoint-tmp").mkdir()
            before = listing(inside)
            assert commands.main([command, "--count", "8"]) == 0
            after = listing(inside)
            half.rmdir()
        if command == "sample":
            assert after.pop("sample.png")
            (inside / "sample.png").unlink()
        assert after == before


def refused(arguments: list[str]) -> int:
    """The code that they end with; the parser exits by itself."""
    try:
        return commands.main(arguments)
    except SystemExit as end:
        return end.code


class TestStudy:
    def test_lists_experiments(self, there, capsys):
        assert commands.main(["study"]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert [line.split(":")[0] for line in shown] == list(EXPERIMENTS)
        assert not list(there.iterdir())

    def test_summary_of_what_comes_with_the_package(self, capsys):
        assert commands.main(["study", "--summary", "headline"]) == 0
        title, head, *lines = capsys.readouterr().out.splitlines()
        assert title.startswith("headline: ")
        assert head.split()[:4] == ["setting", "seeds", "steps", "frechet"]
        assert [line.split()[0] for line in lines] == ["freeze", "edge", "chaos", "batch"]

    def test_runs_one_by_name(self, there, monkeypatch):
        asked = []
        monkeypatch.setattr(
            commands.study, "study", lambda *given, **options: asked.append((given, options))
        )
        assert commands.main(["study", "depth", "headline", "--seeds", "2", "--folder", "x"]) == 0
        assert asked == [((n, Path("x")), {"seeds": 2, "each": ANY}) for n in ("depth", "headline")]

    @pytest.mark.parametrize("encoding", ["ascii", "cp1251", "cp932"])
    def test_on_any_console(self, encoding):
        """Names have a β, which not every console has."""
        shown = subprocess.run(
            [sys.executable, "-W", "error", "-m", "freezechaos.gan", "study", "--summary"],
            env=dict(os.environ) | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
            capture_output=True, timeout=300,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
        assert b"headline: " in shown.stdout


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("train --preset smok", "`--preset` must be one of smoke, freeze, .*; got 'smok'"),
            ("train --preset", "`--preset` must be one of"),
            ("train --preset=", "`--preset` must be one of"),
            ("train --width 0", "`width` must be 1 or more; got 0"),
            ("train --width four", "--width"),
            ("train --size 48", "--size"),
            ("train --beta 1", r"`beta` must lie in \[0, 1\); got 1"),
            ("train --activation rleu", "must be one of relu"),
            ("train --steps 30", "`steps` must be a multiple of `record`"),
            ("train --data folder", "`path` goes with `data`"),
            ("train --devices 0", r"`devices` must be 1 to \d+, what there is; got 0"),
            ("train --devices 9999", r"`devices` must be 1 to \d+, what there is; got 9999"),
            ("train --depth 3", "--depth"),
            ("sample --count 0", "`count` must be 1 or more; got 0"),
            ("sample", "`folder` must hold a run; runs/smoke has no preset.json"),
            ("report", "`folder` must hold a run; runs/smoke has no preset.json"),
            ("report --folder nowhere", "`folder` must hold a run; nowhere has no preset.json"),
            ("report --count 3", "`count` must be 6 or more; got 3"),
            ("report --seed 99999999999999999999", "`seed` must be below"),
            ("sample --seed 99999999999999999999", "`seed` must be below"),
            ("classifier --seed 99999999999999999999", "`seed` must be below"),
            ("study deadline", "`name` must be one of activation and bias, depth"),
            ("study headline --seeds 0", "`seeds` must be 1 or more; got 0"),
            ("classifier --steps 0", "`steps` must be"),
            ("train --host 1", "`hosts` must be given with `host`"),
            ("train --seed 3000000000", "`seed` must be below"),
            ("classifier --folder nowhere", "`folder` must hold a run; nowhere"),
            ("paint", "paint"),
            ("", "train"),
        ],
    )
    def test_are_two_and_a_message(self, there, capsys, arguments, message):
        assert refused(arguments.split()) == 2
        shown = capsys.readouterr()
        assert re.search(message, " ".join(shown.err.split()))  # the parser folds lines
        assert not shown.out
        assert not list(there.iterdir())

    def test_changed_preset(self, inside, capsys):
        before = listing(inside)
        assert refused([*TRAIN.split(), "--steps", "6", "--beta", "0.3"]) == 2
        assert "which has beta=0.1; got beta=0.3" in capsys.readouterr().err
        assert listing(inside) == before

    def test_run_without_a_checkpoint(self, there, capsys):
        Path("young").mkdir()
        Path("young/preset.json").write_text('{"data": "digits"}')
        assert refused(["report", "--folder", "young"]) == 2
        assert "`folder` must hold a checkpoint; young has none yet" in capsys.readouterr().err
        assert [path.name for path in Path("young").iterdir()] == ["preset.json"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["train", "sample", "report", "classifier"]),
        (["train", "--help"], ["--preset", "--width", "--folder", "--coordinator", "smoke"]),
    ],
)
def test_help(arguments, words):
    command = [sys.executable, "-W", "error", "-m", "freezechaos.gan", *arguments]
    shown = subprocess.run(  # in the console's encoding, whatever that is
        command, capture_output=True, text=True, errors="replace", timeout=120
    )
    assert shown.returncode == 0, shown.stderr
    assert all(word in shown.stdout for word in words)
