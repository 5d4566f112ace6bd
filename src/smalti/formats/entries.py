"""The base of formats whose JSON files lie in the folders of splits and have an entry for each image."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats.documents import Document, DocumentReader, OptionsT, Parsed
from smalti.formats.splits import KNOWN
from smalti.storage.media import IMAGE_SUFFIXES
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalti.storage.location import Location


class EntryReader(DocumentReader[OptionsT]):
    """Reads such files; a format says what entries one has, what image an entry is of, and what it says.

    Attributes:
        wanted: What files have, for the error where there is none: ``a list of images``.
    """

    wanted: ClassVar[str]

    @abstractmethod
    def entries(self, body: bytes, name: str) -> Iterable[tuple[int | str, Any]]:
        """The entries of a file by their keys; none where it is something else.

        Raises:
            DataError: It is faulty.
        """

    @abstractmethod
    def name_of(self, entry: Any) -> str:
        """The image that an entry is of, relative to its file's folder.

        Raises:
            DataError: It does not say.
        """

    @abstractmethod
    def parse_entry(self, entry: Any, where: str, document: Document) -> Parsed:
        """What an entry says.

        Args:
            entry: The entry.
            where: Its position in the file, as errors name it.
            document: The image.

        Raises:
            DataError: It is faulty.
        """

    def images(self) -> tuple[list[Document], Location]:
        """The entries of all files, and images in the same folders that have none; where images are.

        Raises:
            EmptySourceError: There are no entries.
        """
        single = self.root.isfile()
        media = self.media or (self.root.parent if single else self.root)
        found: list[Document] = []
        for path in [self.root.name] if single else self.root.find((".json",)):
            place = self.root if single else self.root / path
            with at(file=place.url):
                entries = self.entries(place.read_bytes(), path.rpartition("/")[2])
                found += [self._document(path, key, entry) for key, entry in entries]
        if not found:
            raise EmptySourceError(f"{self.root.url}: looked for *.json with {self.wanted}, and found none")
        folders = {(document.folder, document.split) for document in found}
        known = {document.image for document in found}
        for image in media.find(IMAGE_SUFFIXES) if media.exists() else ():
            of = [(folder, split) for folder, split in folders if image.startswith(folder)]
            if of and image not in known:
                folder, split = max(of, key=lambda place: len(place[0]))
                found.append(Document(path=None, image=image, split=split, folder=folder))
        return found, media

    def _document(self, path: str, key: int | str, entry: Any) -> Document:
        folder, slash, _ = path.rpartition("/")
        found = Document(
            path=path, image=None, split=KNOWN.get(folder, folder) or None, folder=folder + slash
        )
        try:
            with at(position=f"$[{key!r}]"):
                found.image = f"{found.folder}{safe_path(self.name_of(entry))}"
            found.payload = (key, entry)
        except DataError as error:
            if self.on_error == "raise":
                raise
            found.payload = (key, error)  # it is said where samples are counted
        return found

    def parse(self, body: bytes, document: Document) -> Parsed:
        del body
        key, entry = document.payload
        if isinstance(entry, DataError):
            raise entry
        where = f"$[{key!r}]"
        with at(position=where, sample=document.image):
            return self.parse_entry(entry, where, document)
