"""What the files say of the course and its package: one home for each fact, copies are equal."""

import re
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from pybtex.database import parse_file

import metadata
import publishing

ROOT = metadata.ROOT
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
ARXIV = re.compile(r"arxiv(?:\.org/abs/|:)(\d{4}\.\d{4,5})", re.IGNORECASE)


@pytest.mark.parametrize("name", metadata.FILES)
def test_files_for_archives_are_made_of_the_citation(name: str) -> None:
    made = metadata.written(metadata.FILES[name]())
    assert (ROOT / name).read_text(encoding="utf-8") == made, "run make metadata"


def test_the_facts_are_those_of_the_citation_and_of_pyproject() -> None:
    said, package = metadata.citation(), metadata.project()
    for made in (metadata.codemeta(), metadata.zenodo()):
        assert made["version"] == package["version"]
        assert said["license"] == package["license"]
        assert said["license"] in made["license"]
        assert said["abstract"] in made["description"]
        assert set(said["keywords"]) <= set(made["keywords"])
    names = [author["name"] for author in package["authors"]]
    assert [author["name"] for author in metadata.codemeta()["author"]] == names
    assert [author["name"] for author in metadata.zenodo()["creators"]] == names


def test_people_and_groups_are_told_apart() -> None:
    people = metadata.paper(metadata.citation()["references"][0])["author"]
    assert people[0] == {"@type": "Person", "givenName": "Arthur", "familyName": "Jacot"}
    assert metadata.person({"name": "A team"}) == {"@type": "Organization", "name": "A team"}


def test_a_chapter_says_what_it_teaches_and_the_course_that_it_is_one() -> None:
    chapter = metadata.learning_resource("A", "B", "https://c", "to count", ("Z",), 45)
    assert chapter["isPartOf"]["name"] == metadata.citation()["title"]
    assert (chapter["teaches"], chapter["timeRequired"]) == ("to count", "PT45M")
    assert chapter["url"] == "https://c"
    course = metadata.learning_resource(metadata.citation()["title"], "B")
    assert "Course" in course["@type"]
    assert not {"isPartOf", "url", "teaches"} & course.keys()


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_forms_ask_and_have_the_parts_that_github_wants(form) -> None:
    told = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= told.keys()
    names = [field["id"] for field in told["body"]]
    assert len(set(names)) == len(names)
    for field in told["body"]:
        assert field["type"] in ("input", "textarea", "dropdown", "checkboxes", "markdown")
        assert field["attributes"]["label"]


def test_a_page_links_to_the_form_for_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    app = SimpleNamespace(builder=SimpleNamespace(get_target_uri=lambda page: f"{page}.html"))
    context = {"theme_extra_footer": "CC BY"}
    monkeypatch.delenv("PUBLISH_REPOSITORY", raising=False)
    publishing.ask_for_mistakes(app, "03_freeze", "", context, None)
    assert context == {"theme_extra_footer": "CC BY"}
    monkeypatch.setenv("PUBLISH_REPOSITORY", "someone/course")
    publishing.ask_for_mistakes(app, "03_freeze", "", context, None)
    link = BeautifulSoup(context["theme_extra_footer"], "html.parser").a
    assert link is not None
    address = urlsplit(str(link["href"]))
    assert f"{address.netloc}{address.path}" == "github.com/someone/course/issues/new"
    asked = parse_qs(address.query)
    form = yaml.safe_load((FORMS[0].parent / asked["template"][0]).read_text())
    assert "page" in {field["id"] for field in form["body"]}
    assert asked["page"] == ["https://someone.github.io/course/03_freeze.html"]


def test_what_is_on_arxiv_has_its_doi() -> None:
    dois = []
    for entry in parse_file(str(ROOT / "book" / "references.bib")).entries.values():
        words = " ".join(value for name, value in entry.fields.items() if name != "doi")
        number, doi = ARXIV.search(words), entry.fields.get("doi", "")
        dois += [doi.lower()] if doi else []
        if number:
            assert doi, entry.key
        if number and "arxiv" in doi.lower():
            assert doi == f"10.48550/arXiv.{number[1]}"
        assert not doi or re.fullmatch(r"10\.\d{4,9}/\S+", doi)
    assert len(set(dois)) == len(dois) > 25


def test_both_licences_are_here_in_full() -> None:
    licence = (ROOT / "LICENSE").read_text()
    (named,) = re.findall(r"LICENSES/\S+\.txt", licence)
    text = (ROOT / named).read_text()
    assert "Creative Commons Attribution 4.0 International Public" in text
    assert "Section 8 -- Interpretation." in text
    assert metadata.TEXT_LICENCE.removeprefix("https://").rstrip("/") in licence


@pytest.mark.parametrize("journal", ["jose", "joss"])
def test_drafts_cite_what_there_is_and_leave_open_what_people_say(journal: str) -> None:
    path = ROOT / "paper" / journal / "paper.md"
    _, head, text = path.read_text().split("---\n", 2)
    told = yaml.safe_load(head)
    known = parse_file(str(path.parent / told["bibliography"])).entries
    cited = set(re.findall(r"@(\w+)", text))
    assert {"jacot2022", "nachum2024"} <= cited <= set(known)
    assert re.search(r"^# Statement of need$", text, re.MULTILINE)
    assert "OPEN" in told["authors"][0]["name"]
    last = text.split("# Acknowledgements")[1]
    assert "**OPEN:**" in last
