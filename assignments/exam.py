"""Write exams for one class: `python assignments/exam.py SEED`.

Two written exams, each with and without its marking scheme, the sheet of an oral one, and all
questions of the bank, in Markdown, with numbers that come from the seed: _build/exams/SEED/.
"""

import argparse
import sys
from pathlib import Path

import exams
from exams import papers
from make import BUILT, whole_number


def write(seed: int, folder: Path | None = None) -> Path:
    """Write all papers of a seed into a folder, and return it; `_build/exams/SEED` if left out."""
    folder = folder or BUILT.parent / "exams" / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"oral": papers.oral(seed), "bank": papers.whole_bank(seed)}
    for number, paper in enumerate(papers.PAPERS, 1):
        texts[f"exam-{number}"] = papers.written(paper, seed, solved=False)
        texts[f"exam-{number}-marking"] = papers.written(paper, seed, solved=True)
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


def main() -> None:
    """Write the papers and say which to hand out."""
    parser = argparse.ArgumentParser(description="Write exams for one class.")
    parser.add_argument("seed", type=whole_number, metavar="SEED")
    seed = parser.parse_args().seed
    print(f"exam: drawing {len(exams.BANK)} questions, a minute or less", file=sys.stderr)
    folder = write(seed)
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    print(f"exam: hand out {shown}/exam-1.md or exam-2.md; all else there has the answers")


if __name__ == "__main__":
    main()
