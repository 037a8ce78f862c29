"""Questions for a learning-management system: `python assignments/questions.py FOLDER [SEED]`.

The quizzes of the chapters and, for a seed, the exam bank come out four times: as Moodle XML, as
GIFT, as a package of QTI 2.1, and as one of QTI 1.2 with what Canvas adds to it, for Canvas takes a
number of QTI 2.1 for a text. `Item` is what all are made of.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zipfile import ZipFile, ZipInfo

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from freezechaos import course
from freezechaos import questions as with_numbers
from make import whole_number

BOOK = Path(__file__).parents[1] / "book"
QTI = "http://www.imsglobal.org/xsd/imsqti_v2p1"
CANVAS = "http://www.imsglobal.org/xsd/ims_qtiasiv1p2"
PACKAGE = "http://www.imsglobal.org/xsd/imscp_v1p1"
SPECIAL = re.compile(r"[\\~=#{}:]")
"""What GIFT takes for marks of its own."""


@dataclass(frozen=True)
class Option:
    """What can be chosen, in Markdown, and why it is right or not."""

    text: str
    why: str
    right: bool


@dataclass(frozen=True)
class Item:
    """A question with options or, without any, with a number for an answer.

    Attributes:
        name: of letters, digits and underscores; nothing else has it.
        chapter: "03_freeze_and_chaos".
        text: what is asked; Markdown with `$...$`, as everything here.
        options: exactly one is right; none for a number.
        answer: the right number, where there are no options.
        tolerance: how far from it a right number may be.
        solution: what is said to everyone afterwards.

    Raises:
        ValueError: not exactly one right option, or neither options nor a number.
    """

    name: str
    chapter: str
    text: str
    options: Sequence[Option] = ()
    answer: float | None = None
    tolerance: float = 0.0
    solution: str = ""

    def __post_init__(self) -> None:
        right = sum(option.right for option in self.options)
        if right != (self.answer is None):
            raise ValueError(
                f"`options` must have one that is right, or `answer` be a number; {self.name} has "
                f"{right} and {self.answer}."
            )


def of_the_quizzes() -> Iterator[Item]:
    """Yield the questions at the ends of the chapters, in their order; what is drawn, every try."""
    known = {"quiz": course.quiz, "Question": course.Question, "drawn": course.drawn}
    known["questions"] = with_numbers
    count: Counter[str] = Counter()
    for file in sorted(BOOK.glob("[0-9][0-9]_*.ipynb")):
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            call = re.search(r"^quiz\(.*", source, re.M | re.S)
            if cell["cell_type"] != "code" or not call:
                continue
            for asked in eval(call[0], known).questions:
                for question in asked.tries if isinstance(asked, course.Drawn) else [asked]:
                    count[file.stem] += 1
                    yield of_a_quiz(question, f"quiz_{file.stem[:2]}_{count[file.stem]}", file.stem)


def of_a_quiz(question: course.Question, name: str, chapter: str) -> Item:
    """Return a question of a chapter."""
    options = [Option(text, why, text == question.answer) for text, why in question.options.items()]
    return Item(name, chapter, question.text, options)


def of_the_bank(seed: int) -> list[Item]:
    """Return the questions of the exam bank, with the numbers of a seed."""
    return [of_an_exam(question) for question in import_module("exams").drawn_bank(seed)]


def of_an_exam(question: Any) -> Item:
    """Return an `exams.Question`, asked for its number."""
    return Item(
        f"exam_{question.name}",
        question.chapter,
        question.text,
        answer=question.answer,
        tolerance=question.tolerance,
        solution=question.solution,
    )


_MARKDOWN = MarkdownIt("commonmark", {"html": False, "xhtmlOut": True}).use(
    dollarmath_plugin,
    renderer=lambda math, options: f"\\({_escaped(math)}\\)",
)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def html(text: str) -> str:
    """Return Markdown as XHTML without a paragraph, mathematics in `\\(...\\)` for MathJax."""
    rendered: str = _MARKDOWN.renderInline(text)
    return re.sub(r'<span class="math inline">|<eq>|</eq>|</span>', "", rendered)


def moodle(items: Iterable[Item]) -> bytes:
    """Return Moodle XML, a category a chapter."""
    root, chapter = ET.Element("quiz"), ""
    for item in items:
        if item.chapter != chapter:
            chapter = item.chapter
            category = ET.SubElement(ET.SubElement(root, "question", type="category"), "category")
            ET.SubElement(category, "text").text = f"$course$/top/Freeze and Chaos/{chapter}"
        kind = "multichoice" if item.options else "numerical"
        question = ET.SubElement(root, "question", type=kind)
        ET.SubElement(ET.SubElement(question, "name"), "text").text = item.name
        _moodle_text(question, "questiontext", html(item.text))
        _moodle_text(question, "generalfeedback", html(item.solution))
        ET.SubElement(question, "defaultgrade").text = "1"
        if item.options:
            for name, value in (("single", "true"), ("shuffleanswers", "true")):
                ET.SubElement(question, name).text = value
            ET.SubElement(question, "answernumbering").text = "abc"
        for option in item.options:
            answer = _moodle_text(question, "answer", html(option.text))
            answer.set("fraction", "100" if option.right else "0")
            _moodle_text(answer, "feedback", html(option.why))
        if item.answer is not None:
            answer = ET.SubElement(question, "answer", fraction="100")
            ET.SubElement(answer, "text").text = repr(item.answer)
            ET.SubElement(answer, "tolerance").text = repr(item.tolerance)
    return _written(root)


def _moodle_text(parent: ET.Element, name: str, text: str) -> ET.Element:
    element = ET.SubElement(parent, name, format="html")
    ET.SubElement(element, "text").text = text
    return element


def gift(items: Iterable[Item]) -> str:
    """Return GIFT, a category a chapter."""
    lines, chapter = [], ""
    for item in items:
        if item.chapter != chapter:
            chapter = item.chapter
            lines.append(f"$CATEGORY: $course$/top/Freeze and Chaos/{chapter}\n")
        lines.append(f"::{item.name}::[html]{_gift(item.text)}{{")
        for option in item.options:
            mark = "=" if option.right else "~"
            lines.append(f"    {mark}{_gift(option.text)}#{_gift(option.why)}")
        if item.answer is not None:
            lines.append(f"    #{item.answer!r}:{item.tolerance!r}")
        if item.solution:
            lines.append(f"    ####{_gift(item.solution)}")
        lines.append("}\n")
    return "\n".join(lines)


def _gift(text: str) -> str:
    return SPECIAL.sub(r"\\\g<0>", html(text))


def qti(item: Item) -> bytes:
    """Return an assessment item of QTI 2.1."""
    root = ET.Element(
        "assessmentItem",
        {"xmlns": QTI, "identifier": item.name, "title": item.name, "adaptive": "false"}
        | {"timeDependent": "false"},
    )
    kind = "identifier" if item.options else "float"
    response = ET.SubElement(
        root, "responseDeclaration", identifier="RESPONSE", cardinality="single", baseType=kind
    )
    right = next((f"option_{n}" for n, o in enumerate(item.options) if o.right), repr(item.answer))
    ET.SubElement(ET.SubElement(response, "correctResponse"), "value").text = right
    for name, base in (("SCORE", "float"), ("FEEDBACK", "identifier")):
        ET.SubElement(
            root, "outcomeDeclaration", identifier=name, cardinality="single", baseType=base
        )
    body = ET.SubElement(root, "itemBody")
    body.append(_block("p", item.text))
    if item.options:
        choice = ET.SubElement(
            body, "choiceInteraction", responseIdentifier="RESPONSE", shuffle="true", maxChoices="1"
        )
        for number, option in enumerate(item.options):
            choice.append(_block("simpleChoice", option.text, identifier=f"option_{number}"))
    else:
        line = ET.SubElement(body, "p")
        ET.SubElement(line, "textEntryInteraction", responseIdentifier="RESPONSE")
    _qti_processing(root, item)
    said = {f"option_{number}": option.why for number, option in enumerate(item.options)}
    for name, text in (said or {"solution": item.solution}).items():
        feedback = ET.SubElement(
            root, "modalFeedback", outcomeIdentifier="FEEDBACK", identifier=name, showHide="show"
        )
        feedback.append(_block("p", text))
    return _written(root)


def _qti_processing(root: ET.Element, item: Item) -> None:
    """Give one point for the right answer, and say what belongs to the answer."""
    processing = ET.SubElement(root, "responseProcessing")
    condition = ET.SubElement(ET.SubElement(processing, "responseCondition"), "responseIf")
    if item.options:
        same = ET.SubElement(condition, "match")
    else:
        both = f"{item.tolerance!r} {item.tolerance!r}"
        same = ET.SubElement(condition, "equal", toleranceMode="absolute", tolerance=both)
    ET.SubElement(same, "variable", identifier="RESPONSE")
    ET.SubElement(same, "correct", identifier="RESPONSE")
    score = ET.SubElement(condition, "setOutcomeValue", identifier="SCORE")
    ET.SubElement(score, "baseValue", baseType="float").text = "1"
    feedback = ET.SubElement(processing, "setOutcomeValue", identifier="FEEDBACK")
    if item.options:
        ET.SubElement(feedback, "variable", identifier="RESPONSE")
    else:
        ET.SubElement(feedback, "baseValue", baseType="identifier").text = "solution"


def _block(name: str, text: str, **attributes: str) -> ET.Element:
    element = ET.fromstring(f"<{name}>{html(text)}</{name}>")
    element.attrib.update(attributes)
    return element


def canvas(chapter: str, items: Iterable[Item]) -> bytes:
    """Return a quiz of QTI 1.2 of the questions of a chapter, as Canvas exports its own."""
    root = ET.Element("questestinterop", xmlns=CANVAS)
    quiz = ET.SubElement(root, "assessment", ident=f"chapter_{chapter}", title=chapter)
    section = ET.SubElement(quiz, "section", ident="root_section")
    for item in items:
        section.append(_canvas_item(item))
    return _written(root)


def _canvas_item(item: Item) -> ET.Element:
    root = ET.Element("item", ident=item.name, title=item.name)
    kind = "multiple_choice_question" if item.options else "numerical_question"
    fields = ET.SubElement(ET.SubElement(root, "itemmetadata"), "qtimetadata")
    for name, entry in (("question_type", kind), ("points_possible", "1")):
        field = ET.SubElement(fields, "qtimetadatafield")
        ET.SubElement(field, "fieldlabel").text = name
        ET.SubElement(field, "fieldentry").text = entry
    shown = _canvas_text(ET.SubElement(root, "presentation"), item.text)
    processing = ET.SubElement(root, "resprocessing")
    outcome = ET.SubElement(ET.SubElement(processing, "outcomes"), "decvar", varname="SCORE")
    outcome.attrib.update({"vartype": "Decimal", "minvalue": "0", "maxvalue": "100"})
    tag, form = (
        ("response_lid", "render_choice") if item.options else ("response_str", "render_fib")
    )
    answers = ET.SubElement(
        ET.SubElement(shown, tag, ident="response1", rcardinality="Single"), form
    )
    said = {f"option_{number}": option.why for number, option in enumerate(item.options)}
    for number, option in enumerate(item.options):
        label = ET.SubElement(answers, "response_label", ident=f"option_{number}")
        _canvas_text(label, option.text)
    for name, text in (said or {"general": item.solution}).items():
        condition = ET.SubElement(processing, "respcondition", {"continue": "Yes"})
        asked = ET.SubElement(condition, "conditionvar")
        if item.options:
            ET.SubElement(asked, "varequal", respident="response1").text = name
        else:
            ET.SubElement(asked, "other")
        ET.SubElement(condition, "displayfeedback", linkrefid=f"{name}_fb")
        feedback = ET.SubElement(root, "itemfeedback", ident=f"{name}_fb")
        _canvas_text(ET.SubElement(feedback, "flow_mat"), text)
    condition = ET.SubElement(processing, "respcondition", {"continue": "No"})
    asked = ET.SubElement(condition, "conditionvar")
    right = [f"option_{number}" for number, option in enumerate(item.options) if option.right]
    if item.answer is None:
        ET.SubElement(asked, "varequal", respident="response1").text = right[0]
    else:
        either = ET.SubElement(asked, "or")
        ET.SubElement(either, "varequal", respident="response1").text = repr(item.answer)
        both = ET.SubElement(either, "and")
        for tag, bound in (("vargte", -item.tolerance), ("varlte", item.tolerance)):
            ET.SubElement(both, tag, respident="response1").text = repr(item.answer + bound)
    score = ET.SubElement(condition, "setvar", action="Set", varname="SCORE")
    score.text = "100"
    return root


def _canvas_text(parent: ET.Element, text: str) -> ET.Element:
    """Put Markdown into an element, as HTML that is a text there, and return the element."""
    material = ET.SubElement(ET.SubElement(parent, "material"), "mattext", texttype="text/html")
    material.text = html(text)
    return parent


def manifest(kind: str, version: tuple[str, str], names: Mapping[str, str]) -> bytes:
    """Return what a package of QTI says of its files: their type, and a name for each."""
    root = ET.Element("manifest", xmlns=PACKAGE, identifier="freeze_and_chaos")
    metadata = ET.SubElement(root, "metadata")
    for tag, text in zip(("schema", "schemaversion"), version, strict=True):
        ET.SubElement(metadata, tag).text = text
    ET.SubElement(root, "organizations")
    resources = ET.SubElement(root, "resources")
    for file, name in names.items():
        resource = ET.SubElement(resources, "resource", identifier=name, type=kind, href=file)
        ET.SubElement(resource, "file", href=file)
    return _written(root)


def _written(root: ET.Element) -> bytes:
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def write(items: Sequence[Item], folder: Path) -> None:
    """Write `questions.xml`, `questions.gift`, `questions-qti.zip` and `questions-canvas.zip`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "questions.xml").write_bytes(moodle(items))
    (folder / "questions.gift").write_text(gift(items), encoding="utf-8")
    files = {f"{item.name}.xml": qti(item) for item in items}
    names = {f"{item.name}.xml": f"{item.name}_file" for item in items}
    about = manifest("imsqti_item_xmlv2p1", ("QTIv2.1 Package", "1.0.0"), names)
    _zip(folder / "questions-qti.zip", about, files)
    chapters = dict.fromkeys(item.chapter for item in items)
    files = {
        f"{chapter}.xml": canvas(chapter, [item for item in items if item.chapter == chapter])
        for chapter in chapters
    }
    names = {f"{chapter}.xml": f"chapter_{chapter}" for chapter in chapters}
    about = manifest("imsqti_xmlv1p2", ("IMS Content", "1.1.3"), names)
    _zip(folder / "questions-canvas.zip", about, files)


def _zip(path: Path, about: bytes, files: Mapping[str, bytes]) -> None:
    with ZipFile(path, "w") as package:
        for file, text in {"imsmanifest.xml": about, **files}.items():
            package.writestr(ZipInfo(file), text)


def main() -> None:
    """Write the questions and say how many."""
    parser = argparse.ArgumentParser(description="Write questions for other systems.")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "seed", nargs="?", type=whole_number, metavar="SEED", help="of the exam bank"
    )
    given = parser.parse_args()
    bank = [] if given.seed is None else of_the_bank(given.seed)
    items = [*of_the_quizzes(), *bank]
    write(items, given.folder)
    print(f"questions: {len(items)} in {given.folder}/questions.xml, .gift, -canvas.zip, -qti.zip")


if __name__ == "__main__":
    main()
