"""Recognise what columns are by their names, in the words of several languages, and find the header.

A name is compared by its letters and digits alone, without case and accents: ``Image Name``,
``image_name`` and ``ImageName`` are one. The known dialects are in `smalti.formats.spreadsheet.presets`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from smalti.storage.media import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

# Roles of columns, each with the words for it (English, German, French, Spanish, Italian, Portuguese, Dutch).
WORDS: Final[dict[str, str]] = {
    "image": "filename file image imagename imagepath imagefile imagefilename filepath path img imgname imgpath"
    " imgfile picture picturename photo photoname fname imageuri imageurl uri url externalid name_image frame"
    " bild bilddatei bildname datei dateiname foto fichier nomfichier nomdufichier archivo nombrearchivo imagen"
    " fichero immagine nomefile arquivo imagem nomearquivo afbeelding bestand bestandsnaam",
    "image_id": "imageid imgid pictureid photoid bildid bildnummer idimage idimagen",
    "width": "imagewidth imgwidth imgw imagew picturewidth bildbreite largeurimage anchoimagen",
    "height": "imageheight imgheight imgh imageh pictureheight bildhohe hauteurimage altoimagen altoimagem",
    "any_width": "width w wide breite largeur ancho larghezza largura breedte",
    "any_height": "height h high hohe hauteur alto altura altezza hoogte",
    "split": "split subset set partition fold_split mlset usage teilmenge ensemble conjunto",
    "category": "class classname label labels labelname category categoryname cls object objectname objectclass tag"
    " tags type species kind klasse klassenname kategorie bezeichnung etikett art classe etiquette categorie"
    " etiqueta clase categoria especie etichetta rotulo klas soort",
    "xmin": "xmin minx left bboxxmin bboxleft boxxmin boxleft x1 xtl bboxx1 boxx1 xtopleft topleftx links gauche"
    " izquierda sinistra esquerda xstart startx x0 bboxx0 xmini",
    "ymin": "ymin miny top bboxymin bboxtop boxymin boxtop y1 ytl bboxy1 boxy1 ytopleft toplefty oben haut arriba"
    " superior alto_y ystart starty y0 bboxy0 ymini",
    "xmax": "xmax maxx right bboxxmax bboxright boxxmax boxright x2 xbr bboxx2 boxx2 xbottomright bottomrightx rechts"
    " droite derecha destra direita xend endx xmaxi",
    "ymax": "ymax maxy bottom bboxymax bboxbottom boxymax boxbottom y2 ybr bboxy2 boxy2 ybottomright bottomrighty"
    " unten bas abajo inferior yend endy ymaxi",
    "x": "x bboxx boxx xpos posx xposition",
    "y": "y bboxy boxy ypos posy yposition",
    "w": "bboxw bboxwidth boxw boxwidth objectwidth kastenbreite",
    "h": "bboxh bboxheight boxh boxheight objectheight kastenhohe",
    "cx": "cx xc xcenter xcentre centerx centrex bboxcx bboxxcenter xmitte mittex xmid midx boxcx",
    "cy": "cy yc ycenter ycentre centery centrey bboxcy bboxycenter ymitte mittey ymid midy boxcy",
    "bbox": "bbox bboxes box boxes boundingbox boundingboxes bndbox rect rectangle region coordinates coords rahmen"
    " kasten boite caja riquadro caixa",
    "polygon": "polygon polygons polygone poligono segmentation points",
    "score": "score confidence conf probability prob certainty konfidenz confiance confianza confidenza",
    "id": "objectid annotationid annid regionid boxid bboxid instanceid objektid id",
    "track_id": "trackid track trackingid trackno",
    "iscrowd": "iscrowd crowd isgroupof groupof",
    "area": "area bboxarea flache superficie",
}
BOX_ROLES: Final = ("xmin", "ymin", "xmax", "ymax", "x", "y", "w", "h", "cx", "cy")
# Whichever set is complete is how boxes stand in columns; the first wins.
SIDES: Final[dict[str, tuple[str, str, str, str]]] = {
    "xyxy": ("xmin", "ymin", "xmax", "ymax"),
    "cxcywh": ("cx", "cy", "w", "h"),
    "xywh": ("x", "y", "w", "h"),
}
NUMERIC: Final = frozenset({*BOX_ROLES, "width", "height", "score", "area"})
MANY: Final = 3  # stems with an x and a y that make keypoints where they are numbered

_UNIT = re.compile(r"[\(\[](px|pixels?|%|norm\w*|rel\w*)[\)\]]|\b(px|pixels?)$", re.IGNORECASE)
_POINT = re.compile(r"(.+?)[ _.\-]*(x|y|v|vis|visible|visibility)$", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:kp|point|pt|landmark)?[ _.\-]*(x|y|v)[ _.\-]*(\w+)$", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)*|[.,]\d+)(e[-+]?\d+)?\s*(px|%)?$", re.IGNORECASE)


def key(name: str) -> str:
    """A name's letters and digits, without case, accents and units: ``X-Min (px)`` becomes ``xmin``."""
    bare = unicodedata.normalize("NFKD", _UNIT.sub("", name.strip()).casefold())
    return "".join(letter for letter in bare if letter.isalnum())


@cache
def _roles() -> dict[str, str]:
    return {key(word): role for role, words in WORDS.items() for word in words.split()}


@cache
def _ranks() -> dict[str, int]:
    """How plainly a word says its role: ``label`` beside ``type`` is the class."""
    return {key(word): rank for words in WORDS.values() for rank, word in enumerate(words.split())}


def roles(header: Sequence[str]) -> dict[str, int]:
    """The column of each role that the names tell; of several for one role, the one that says it plainest.

    Args:
        header: Names as they stand in the sheet.
    """
    known, ranks = _roles(), _ranks()
    found: dict[str, int] = {}
    for column, name in enumerate(header):
        role = known.get(key(name))
        if role is not None and (role not in found or ranks[key(name)] < ranks[key(header[found[role]])]):
            found[role] = column
    points = {column for columns in keypoints(header).values() for column in columns if column is not None}
    return _sided({role: column for role, column in found.items() if column not in points})


def _sided(found: dict[str, int]) -> dict[str, int]:
    """Settle whose ``width`` and ``height`` are: the image's beside corners, else the box's."""
    corner = ("x" in found and "y" in found) or ("xmin" in found and "ymin" in found)
    corner = corner or ("cx" in found and "cy" in found)
    whole = "xmax" in found and "ymax" in found
    for plain, image, box in (("any_width", "width", "w"), ("any_height", "height", "h")):
        column = found.pop(plain, None)
        if column is not None:
            found.setdefault(box if corner and not whole and box not in found else image, column)
    if not whole and {"w", "h"} <= set(found) and {"xmin", "ymin"} <= set(found):
        found["x"], found["y"] = found.pop("xmin"), found.pop("ymin")  # left, top, width, height
    if "image" not in found and "image_id" in found:
        found["image"] = found.pop("image_id")
    return found


def numeric(header: Sequence[str]) -> frozenset[int]:
    """The columns whose names say that they hold numbers."""
    return frozenset(column for role, column in roles(header).items() if role in NUMERIC)


def box_sides(found: dict[str, int]) -> tuple[str, tuple[int, ...]] | None:
    """How boxes stand in columns, and in which; null where the names do not say."""
    for layout, sides in SIDES.items():
        if all(side in found for side in sides):
            return layout, tuple(found[side] for side in sides)
    return None


def keypoints(header: Sequence[str]) -> dict[str, tuple[int, int, int | None]]:
    """Columns of keypoints by the point's name: x, y, and visibility where there is one."""
    known = _roles()
    after: dict[str, dict[str, int]] = {}
    before: dict[str, dict[str, int]] = {}
    for column, name in enumerate(header):
        if (found := _NUMBERED.match(name.strip())) and not _is_word(name, known):
            before.setdefault(found[2], {}).setdefault(found[1].lower(), column)
        if key(name) in known and not re.match(r"[xy]\d+$", key(name)):
            continue
        if found := _POINT.fullmatch(name.strip()):
            after.setdefault(found[1], {}).setdefault(found[2].lower()[0], column)
    numbered = {stem: axes for stem, axes in before.items() if {"x", "y"} <= set(axes) and stem.isdecimal()}
    if len(numbered) < MANY:  # x1, y1, x2, y2 are corners
        numbered = {}
    taken = {column for axes in numbered.values() for column in axes.values()}
    named = {
        stem: axes
        for stem, axes in after.items()
        if {"x", "y"} <= set(axes) and not taken & set(axes.values())
    }
    return {stem: (axes["x"], axes["y"], axes.get("v")) for stem, axes in {**numbered, **named}.items()}


def _is_word(name: str, known: dict[str, str]) -> bool:
    return key(name) in known and not re.match(r"[xy]\d+$", key(name))


def header_row(rows: Sequence[Sequence[Any]]) -> int | None:
    """The row of a sheet's names, from 0; null where the first full row holds values already.

    Of several rows of text it is the one that tells the most roles, then the fullest: others are titles.
    """
    width = max((sum(cell != "" for cell in row) for row in rows), default=0)
    best, most = None, (-1, -1)
    for position, row in enumerate(rows):
        held = [cell for cell in row if cell != ""]
        if len(held) < max(1, min(2, width)):
            continue
        if not all(isinstance(cell, str) and not is_value(cell) for cell in held):
            break
        told = (len(roles(held)), len(held))
        if told > most:
            best, most = position, told
    return best


def is_value(text: str) -> bool:
    """Whether a text is no name of a column: a number, an image's path, a list."""
    bare = text.strip()
    if bare[:1] in {"[", "{"} or _NUMBER.match(bare):
        return True
    return is_image(bare)


def is_image(text: str) -> bool:
    """Whether a text ends as an image's name does."""
    return PurePosixPath(text.strip().replace("\\", "/")).suffix.lower() in IMAGE_SUFFIXES
