"""Recognise what columns are by their names, in the words of several languages, and find the header.

A name is compared by its letters and digits alone, without case and accents: ``Image Name``,
``image_name`` and ``ImageName`` are one. The known dialects are in `smalti.formats.spreadsheet.presets`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from smalti.storage.media import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

# Roles of columns, each with the words for it, the plainest first (English, German, French, Spanish, Italian, Portuguese,
# Dutch; Polish, Russian, Chinese, Japanese, Korean).
WORDS: Final[dict[str, str]] = {
    "image": "filename file image imagename imagepath imagefile imagefilename filepath path img imgname imgpath"
    " imgfile imgfilename picture picturename photo photoname fname imageuri imageurl imglink imagelink uri url externalid"
    " name_image frame bild bilddatei bildname bildpfad datei dateiname dateipfad pfad foto fotos fichier nomfichier"
    " nomdufichier nomdefichier cheminfichier nomimage nomdelimage archivo nombrearchivo nombredearchivo"
    " nombredelarchivo imagen nombreimagen fichero nombrefichero ruta immagine nomefile nomedelfile nomeimmagine percorso"
    " arquivo imagem nomearquivo nomedoarquivo nomeimagem caminho afbeelding bestand bestandsnaam plik nazwapliku zdjęcie"
    " obraz файл имяфайла изображение фото путь 文件 文件名 图片 图像 图片名 图片名称 图像名称 檔名 圖片 ファイル ファイル名"
    " 画像 画像名 画像ファイル 파일 파일명 이미지",
    "image_id": "imageid imgid pictureid photoid bildid bildnummer idimage idimagen idimagem",
    "width": "imagewidth imgwidth imgw imagew picturewidth bildbreite breitebild largeurimage largeurdelimage"
    " anchoimagen larguraimagem 图像宽度 图片宽度 画像幅",
    "height": "imageheight imgheight imgh imageh pictureheight bildhöhe höhebild hauteurimage hauteurdelimage"
    " altoimagen alturaimagen altoimagem alturaimagem 图像高度 图片高度 画像高さ",
    "any_width": "width w wide breite largeur ancho anchura larghezza largura breedte szerokość ширина 宽 宽度 寬度 幅 너비",
    "any_height": "height h high höhe hauteur alto altura altezza hoogte wysokość высота 高 高度 高さ 높이",
    "split": "split subset set partition fold_split mlset mluse usage teilmenge aufteilung ensemble sousensemble conjunto"
    " podzbiór выборка 数据集 データセット",
    "category": "class classname label labels labelname category categoryname cls object objectname objectclass tag"
    " tags type species kind klasse klassenname objektklasse objekt kategorie bezeichnung etikett art classe nomclasse"
    " nomdeclasse etiquette categorie espèce objet etiqueta clase nombreclase categoria especie objeto nomeclasse etichetta"
    " oggetto specie rótulo klas soort klasa etykieta gatunek класс метка категория 类别 标签 分类 類別 標籤 ラベル クラス"
    " カテゴリ 라벨 클래스 rectanglelabels classid labelid categoryid clsid classindex labelindex klassenid klassennummer"
    " idclasse idclase",
    "xmin": "xmin minx left bboxxmin bboxleft boxxmin boxleft x1 xtl bboxx1 boxx1 xtopleft topleftx upperleftx xupperleft"
    " lefttopx leftx ulx links linksobenx obenlinksx gauche izquierda sinistra esquerda xstart startx x0 bboxx0 xmini"
    " xminimum xmínimo xminimo lewo lewy слева 左 왼쪽",
    "ymin": "ymin miny top bboxymin bboxtop boxymin boxtop y1 ytl bboxy1 boxy1 ytopleft toplefty upperlefty yupperleft"
    " lefttopy topy uly oben linksobeny obenlinksy haut arriba superior superiore topo alto_y boven ystart starty y0"
    " bboxy0 ymini yminimum ymínimo yminimo góra сверху 上 위",
    "xmax": "xmax maxx right bboxxmax bboxright boxxmax boxright x2 xbr bboxx2 boxx2 xbottomright bottomrightx"
    " lowerrightx xlowerright rightbottomx rightx lrx rechts rechtsuntenx untenrechtsx droite derecha destra direita xend"
    " endx xmaxi xmaximum xmáximo xmassimo prawo prawy справа 右 오른쪽",
    "ymax": "ymax maxy bottom bboxymax bboxbottom boxymax boxbottom y2 ybr bboxy2 boxy2 ybottomright bottomrighty"
    " lowerrighty ylowerright rightbottomy bottomy lry unten rechtsunteny untenrechtsy bas abajo inferior inferiore basso"
    " baixo onder yend endy ymaxi ymaximum ymáximo ymassimo dół снизу 下 아래",
    "x": "x bboxx boxx xpos posx xposition",
    "y": "y bboxy boxy ypos posy yposition",
    "w": "bboxw bboxwidth boxw boxwidth objectwidth kastenbreite",
    "h": "bboxh bboxheight boxh boxheight objectheight kastenhöhe",
    "cx": "cx xc xcenter xcentre centerx centrex bboxcx bboxxcenter xmitte mittex xmid midx boxcx xcentro centrox",
    "cy": "cy yc ycenter ycentre centery centrey bboxcy bboxycenter ymitte mittey ymid midy boxcy ycentro centroy",
    "bbox": "bbox bboxes box boxes boundingbox boundingboxes bndbox rect rectangle region coordinates coords rahmen"
    " kasten rechteck boite caja riquadro caixa ramka рамка 边界框 矩形",
    "polygon": "polygon polygons polygone poligono segmentation points",
    "score": "score confidence conf probability prob certainty konfidenz confiance confianza confidenza confiança pewność"
    " уверенность 置信度 信頼度",
    "id": "objectid annotationid annid regionid boxid bboxid instanceid objektid id",
    "track_id": "trackid track trackingid trackno",
    "iscrowd": "iscrowd crowd isgroupof groupof",
    "area": "area bboxarea fläche superficie",
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
_LED = re.compile(r"(x|y|v|vis|visible|visibility)[ _.\-]+(.*\D.*)$", re.IGNORECASE)
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
    if "height" in found and "ymin" not in found and {"xmin", "xmax", "ymax"} <= set(found):
        found["ymin"] = found.pop("height")  # Italian "alto" is the top, Spanish "alto" the height
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
    """Columns of keypoints by the point's name: x, y, and visibility where there is one.

    Three ways are known: ``nose_x``, ``x_nose`` (two points at least), ``x1`` (three at least: ``x1, y1, x2, y2`` are corners).
    """
    known = _roles()
    after: dict[str, dict[str, int]] = {}
    before: dict[str, dict[str, int]] = {}
    led: dict[str, dict[str, int]] = {}
    for column, name in enumerate(map(str.strip, header)):
        if (found := _NUMBERED.match(name)) and not _is_word(name, known):
            before.setdefault(found[2], {}).setdefault(found[1].lower(), column)
        if key(name) in known and not re.match(r"[xy]\d+$", key(name)):
            continue
        if found := _LED.fullmatch(name):
            led.setdefault(found[2], {}).setdefault(found[1].lower()[0], column)
        elif found := _POINT.fullmatch(name):
            after.setdefault(found[1], {}).setdefault(found[2].lower()[0], column)
    numbered = {stem: axes for stem, axes in _paired(before).items() if stem.isdecimal()}
    led = _paired(led)
    chosen = {**(numbered if len(numbered) >= MANY else {}), **(led if len(led) > 1 else {})}
    taken = {column for axes in chosen.values() for column in axes.values()}
    chosen |= {stem: axes for stem, axes in _paired(after).items() if not taken & set(axes.values())}
    return {stem: (axes["x"], axes["y"], axes.get("v")) for stem, axes in chosen.items()}


def _paired(stems: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {stem: axes for stem, axes in stems.items() if {"x", "y"} <= set(axes)}


def _is_word(name: str, known: dict[str, str]) -> bool:
    return key(name) in known and not re.match(r"[xy]\d+$", key(name))


def header_row(rows: Sequence[Sequence[Any]]) -> int | None:
    """The row of a sheet's names, from 0; null where the first full row holds values already.

    Of several rows of text it is the one that tells the most roles, then the fullest: others are titles, or the upper
    part of a header in two or three rows.
    """
    width = max((sum(cell != "" for cell in row) for row in rows), default=0)
    best, most = None, (-1, -1)
    for position, row in enumerate(rows):
        held = [cell for cell in row if cell != ""]
        if len(held) < max(1, min(2, width)):
            continue
        if not all(isinstance(cell, str) and not is_value(cell) for cell in held):
            break
        names = joined_names(rows, position)
        told = (len(roles(names)) + 2 * len(keypoints(names)), len(held))
        if told > most:
            best, most = position, told
    return best


def joined_names(rows: Sequence[Sequence[Any]], position: int) -> list[str]:
    """The names that a header row gives, with those of the rows above where it leaves them open.

    A blank name is the one above it, and names that are there twice get the one above before them (``nose`` above ``x`` is
    ``nose_x``), which holds to the right until there is another.
    """
    names = [str(cell).strip() for cell in rows[position]]
    for above in range(position - 1, -1, -1):
        upper = [str(cell).strip() for cell in rows[above][: len(names)]]
        if sum(name != "" for name in upper) < 2 or any(map(is_value, upper)):
            break  # a title, or nothing of a header
        upper += [""] * (len(names) - len(upper))
        twice = {name for name, count in Counter(map(key, names)).items() if count > 1 and name}
        last, found = "", []
        for name, over in zip(names, upper, strict=True):
            last = over or last
            found.append(f"{last}_{name}" if last and key(name) in twice else name or over)
        if len({key(name) for name in found}) <= len({key(name) for name in names}) and "" not in names:
            break  # tells nothing apart
        names = found
    return names


def is_value(text: str) -> bool:
    """Whether a text is no name of a column: a number, an image's path, a list."""
    bare = text.strip()
    if bare[:1] in {"[", "{"} or _NUMBER.match(bare):
        return True
    return is_image(bare)


def is_image(text: str) -> bool:
    """Whether a text ends as an image's name does."""
    return PurePosixPath(text.strip().replace("\\", "/")).suffix.lower() in IMAGE_SUFFIXES
