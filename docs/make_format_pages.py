"""Write the headers of docs/formats/*.md from the registry, and the table of formats.

    python docs/make_format_pages.py            writes them
    python docs/make_format_pages.py --check    says which are out of date; exit code 1 then

A page's text below its header is written by hand and stays as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from smalti.formats import registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo

    from smalti.formats.protocol import Format

PAGES = Path(__file__).parent / "formats"
BEGIN = "<!-- header: made by docs/make_format_pages.py -->"
END = "<!-- end of header -->"

KINDS = {  # what people ask for, by the fields that hold it
    "boxes": {"bbox"},
    "polygons": {"polygons"},
    "masks": {"mask"},
    "oriented boxes": {"quad"},
    "keypoints": {"keypoints"},
    "polylines": {"polyline"},
    "3-D boxes": {"box3d"},
    "scores": {"score"},
    "tracks": {"track_id"},
    "crowds": {"iscrowd"},
    "object ids": {"id"},
    "classes of images": {"label", "labels", "tags"},
    "captions": {"captions"},
    "splits": {"split"},
}


def header(format_: Format) -> str:
    """The generated head of a format's page."""
    info = format_.info
    verbs = [verb for verb, side in (("read", format_.reader), ("written", format_.writer)) if side]
    targets = ", ".join(f"a file `*{suffix}`" for suffix in info.file_suffixes)
    facts = {
        "Name": f"`{info.name}`, {' and '.join(verbs)}",
        "Specification": f"<{info.spec}>",
        "Files": ", ".join(f"`{pattern}`" for pattern in info.layout),
        "Target": f"a folder, or {targets}" if targets else "a folder",
        "Keeps": ", ".join(f"`{field}`" for field in sorted(info.keeps)),
    }
    if info.extra:
        facts["Needs"] = f"`pip install smalti[{info.extra}]`"
    lines = [BEGIN, f"# {info.title}", "", *table(("", ""), facts.items()), ""]
    rows = [_option(name, field) for name, field in format_.options.model_fields.items()]
    if rows:
        lines += [
            "## Options",
            "",
            *table(("option", "flag", "side", "values", "default", "meaning"), rows),
            "",
        ]
    return "\n".join([*lines, END])


def _option(name: str, field: FieldInfo) -> tuple[str, ...]:
    extra = field.json_schema_extra
    side = str(extra.get("side", "both")) if isinstance(extra, dict) else "both"
    default = "" if field.default is None else f"`{field.default}`"
    flag = f"`--{name.replace('_', '-')}`"
    return f"`{name}`", flag, side, _values(field.annotation), default, field.description or ""


def _values(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    parts = [part for part in get_args(kind) if part is not type(None)]
    if get_origin(kind) in {tuple, dict, list} or not parts:
        return str(kind).replace("typing.", "") if parts else kind.__name__
    return ", ".join(map(_values, parts))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def index(formats: list[Format]) -> str:
    """The generated head of the list of formats."""
    rows = [
        (
            f"[{f.info.title}]({f.info.name}.md)",
            f"`{f.info.name}`",
            "yes" if f.reader else "no",
            "yes" if f.writer else "no",
            ", ".join(f"`{pattern}`" for pattern in f.info.layout),
        )
        for f in formats
    ]
    kept = [(f"`{f.info.name}`", *("yes" if kind in kinds(f) else "" for kind in KINDS)) for f in formats]
    lost = [(f"`{f.info.name}`", *(_lost(f, into) for into in formats)) for f in formats]
    lines = [
        *(BEGIN, "# Formats", "", *table(("format", "name", "read", "written", "files"), rows), ""),
        *("## What each holds", "", *table(("", *KINDS), kept), ""),
        *(
            "## What is lost on the way",
            "",
            "From the format of the row to that of the column; – is nothing.",
            "",
        ),
        *table(("", *(f"`{f.info.name}`" for f in formats)), lost),
    ]
    return "\n".join([*lines, "", END])


def kinds(format_: Format) -> set[str]:
    """What a format holds, of `KINDS`."""
    keeps = format_.info.keeps
    if "*" in keeps:
        return set(KINDS)
    members = {field.rpartition(".")[2] for field in keeps if field.startswith("objects.")}
    return {
        kind
        for kind, names in KINDS.items()
        if names & (members | {k for k in keeps if "." not in k and k != "id"})
    }


def _lost(source: Format, target: Format) -> str:
    """The kinds that the source holds and the target does not."""
    return ", ".join(kind for kind in KINDS if kind in kinds(source) - kinds(target)) or "–"


def page(path: Path, head: str) -> str:
    """What a page should be: its new head, and the text that it has below."""
    old = path.read_text("utf-8") if path.exists() else ""
    _, _, below = old.partition(END)
    return head + (below or "\n")


def main(arguments: list[str]) -> int:
    """Write the pages, or say which are out of date."""
    formats = [registry.get(name) for name in registry.BUILT_IN]
    pages = {PAGES / f"{f.info.name}.md": header(f) for f in formats} | {PAGES / "index.md": index(formats)}
    wanted = {path: page(path, head) for path, head in pages.items()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"{path}: out of date; run python docs/make_format_pages.py\n")
        return int(bool(stale))
    for path in stale:
        path.write_text(wanted[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
