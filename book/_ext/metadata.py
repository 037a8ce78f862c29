"""What archives and search engines are told: codemeta.json, .zenodo.json, and JSON-LD in the pages.

`CITATION.cff` says what the course is and whose, `pyproject.toml` what the package needs; all else
is made of these two: `python book/_ext/metadata.py`, which `make metadata` calls.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TEXT_LICENCE = "https://creativecommons.org/licenses/by/4.0/"


def citation() -> dict[str, Any]:
    """Return what `CITATION.cff` says."""
    told: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    return told


def project() -> dict[str, Any]:
    """Return what `pyproject.toml` says of the package."""
    told: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return told["project"]


def person(author: dict[str, str]) -> dict[str, str]:
    """Return an author of `CITATION.cff`, a person or a group, for schema.org."""
    if "name" in author:
        return {"@type": "Organization", "name": author["name"]}
    names = {"givenName": author["given-names"], "familyName": author["family-names"]}
    return {"@type": "Person", **names}


def paper(reference: dict[str, Any]) -> dict[str, Any]:
    """Return a reference of `CITATION.cff` for schema.org."""
    return {
        "@type": "ScholarlyArticle",
        "name": reference["title"],
        "author": [person(author) for author in reference["authors"]],
        "datePublished": str(reference["year"]),
        "identifier": reference["identifiers"][0]["value"],
    }


def codemeta() -> dict[str, Any]:
    """Return the package for CodeMeta 2.0."""
    said, package = citation(), project()
    return {
        "@context": "https://doi.org/10.5063/schema/codemeta-2.0",
        "@type": "SoftwareSourceCode",
        "name": said["title"],
        "identifier": package["name"],
        "description": said["abstract"],
        "version": said["version"],
        "license": f"https://spdx.org/licenses/{said['license']}",
        "author": [person(author) for author in said["authors"]],
        "keywords": said["keywords"],
        "programmingLanguage": "Python",
        "runtimePlatform": f"Python {package['requires-python']}",
        "softwareRequirements": package["dependencies"],
        "referencePublication": [paper(reference) for reference in said["references"]],
    }


def zenodo() -> dict[str, Any]:
    """Return a deposit of the repository for Zenodo."""
    said = citation()
    arxiv = [reference["identifiers"][0]["value"] for reference in said["references"]]
    return {
        "title": said["title"],
        "description": said["abstract"],
        "upload_type": said["type"],
        "version": said["version"],
        "license": said["license"],
        "creators": [
            {
                "name": author.get("name")
                or f"{author['family-names']}, {author['given-names']}"
            }
            for author in said["authors"]
        ],
        "keywords": said["keywords"],
        "language": "eng",
        "related_identifiers": [
            {"identifier": paper, "relation": "references", "scheme": "arxiv"}
            for paper in arxiv
        ],
    }


def learning_resource(
    title: str,
    description: str,
    address: str = "",
    teaches: str = "",
    needs: tuple[str, ...] = (),
    minutes: int = 0,
) -> dict[str, Any]:
    """Return a page for schema.org, with what the minimal metadata of a learning resource ask for.

    Arguments:
        title, description: of the page; one with the title of the course is the whole course.
        address: where it is published, if it is.
        teaches: what a reader is able to do afterwards; only a chapter says it.
        needs: titles of the chapters before.
        minutes: to read it.
    """
    said = citation()
    whole = title == said["title"]
    page: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": ["Course", "LearningResource"] if whole else "LearningResource",
        "name": title,
        "description": description,
        "author": [person(author) for author in said["authors"]],
        "inLanguage": "en",
        "license": TEXT_LICENCE,
        "isAccessibleForFree": True,
        "version": said["version"],
        "keywords": said["keywords"],
        "educationalLevel": "graduate",
        "audience": {"@type": "EducationalAudience", "educationalRole": "student"},
        "learningResourceType": "course" if whole else "course material",
    }
    if not whole:
        page["isPartOf"] = {"@type": "Course", "name": said["title"]}
    if address:
        page["url"] = address
    if teaches:
        page |= {"teaches": teaches, "timeRequired": f"PT{minutes}M"}
        page["learningResourceType"] = ["chapter", "exercise", "simulation", "quiz"]
        if needs:
            page["competencyRequired"] = list(needs)
    return page


def written(made: dict[str, Any]) -> str:
    """Return the text of a file."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


FILES = {"codemeta.json": codemeta, ".zenodo.json": zenodo}
"""The files of the repository that are made here."""


if __name__ == "__main__":
    for name, make in FILES.items():
        (ROOT / name).write_text(written(make()), encoding="utf-8")
        print(f"metadata: {name}")
