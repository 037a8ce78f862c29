"""Words of the glossary, without a site."""

import re

import editions
import glossary_words
import symbols


def test_entries_are_those_of_the_glossary() -> None:
    text = (editions.BOOK / "glossary.md").read_text()
    block = text.partition("```{glossary}")[2]
    words = re.findall(r"^(\w.*)$", block, re.MULTILINE)
    assert list(glossary_words.entries()) == words
    assert len(words) > 30


def test_a_definition_is_read_out() -> None:
    told = glossary_words.plain(
        "$r < 1$, *so*: {term}`bias <affine map>` {cite}`jacot2022`. See {doc}`01_wide_networks`."
    )
    assert told == (
        '<span class="math notranslate nohighlight">\\(r &lt; 1\\)</span>, <em>so</em>: '
        "bias (Jacot et al., 2022)."
    )


def test_a_word_is_known_from_its_chapter_on() -> None:
    before, after = (
        glossary_words.definitions(name)
        for name in ("08_deconvolution_kernels", "12_one_push_moves_all")
    )
    assert "own share" not in before
    assert "own share" in after
    assert "depth" in glossary_words.definitions("01_wide_networks")


def test_every_line_of_the_notation_is_read() -> None:
    text = (editions.BOOK / "notation.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(symbols.lines()) == len(rows)
    for chapter in range(1, len(editions.chapters()) + 1):
        known = [s for some, _, start in symbols.lines() if start == chapter for s in some]
        assert len(known) == len(set(known)), "two meanings in one chapter"


def test_symbols_of_a_cell() -> None:
    assert list(symbols.symbols(r"$a = b, c_p$, $\beta$")) == ["a", "c_p", r"\beta"]
    assert not list(symbols.symbols("$a$ (lengths)"))


def test_words_are_found_whole() -> None:
    found = glossary_words.pattern(["edge", "tap", "latent vector", "GAN"]).findall
    assert found(
        "Edges of a tape: the edge, two taps; latent vectors, a GAN, an edge-on DCGAN"
    ) == [
        "Edges",
        "edge",
        "taps",
        "latent vectors",
        "GAN",
    ]
