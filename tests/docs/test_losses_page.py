"""The page of codes names every code of the formats, and no other."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORMATS = ROOT / "src" / "smalti" / "formats"
CODE = re.compile(r"[a-z*]+\.[a-z_*]+")
ROW = re.compile(rf"^\| `({CODE.pattern})` \|", re.MULTILINE)
# Fields, modules, files.
NO_CODES = re.compile(
    r"(objects|smalti|points|bitmap)\..*|.*\.(json|yaml|yml|xml|txt|ini|data|names|x|csv|jsonl|parquet|meta)"
)


def documented() -> list[str]:
    return ROW.findall((ROOT / "docs" / "formats" / "losses.md").read_text("utf-8"))


def in_code(source: str) -> set[str]:
    """Every plain text that looks like a code, and formatted ones where a code belongs: what varies is ``*``."""
    tree = ast.parse(source)
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    texts = {text for text in constants if isinstance(text, str) and "*" not in text}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        given = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"drop", "change"}:
            given += call.args[1:2]
        if isinstance(call.func, ast.Name) and call.func.id == "one_loss":
            given += call.args[:1]
        for text in (value for value in given if isinstance(value, ast.JoinedStr)):
            parts = (part.value if isinstance(part, ast.Constant) else "*" for part in text.values)
            texts.add("".join(map(str, parts)))
    codes = {text for text in texts if CODE.fullmatch(text)}
    return {code for code in codes if not NO_CODES.fullmatch(code)}


def used() -> set[str]:
    return set().union(*(in_code(file.read_text("utf-8")) for file in FORMATS.rglob("*.py")))


def test_losses_page__names_every_code() -> None:
    pages = documented()
    missing = {code for code in used() if not any(fnmatchcase(code, page) for page in pages)}
    assert not missing, "write them into docs/formats/losses.md"


def test_losses_page__names_no_other_code() -> None:
    assert not set(documented()) - used()


def test_losses_page__is_sorted_and_says_a_code_once() -> None:
    text = (ROOT / "docs" / "formats" / "losses.md").read_text("utf-8")
    for table in text.split("\n## ")[1:]:
        codes = ROW.findall(table)
        assert codes
        plain = [code for code in codes if not code.startswith("*")]
        assert plain == sorted(set(plain))


def test_losses_page__codes_are_found_in_code() -> None:
    source = 'Loss(code="box.lost"); e.drop(w, f"{k}.cut"); Loss(code=f"category.{x}"); f("obj.data", f"{k}.id", "*.jpg")'
    assert in_code(source) == {"box.lost", "*.cut", "category.*"}
