"""What a format is: a `Format` value that names a `Reader`, a `Writer` and how to recognise it.

A reader plans first (the schema, and a list of parts that can be pickled), then reads part by part;
a writer writes part by part, then finishes with what concerns the whole. Because both go in parts,
the same code runs in one process, on all cores and on a cluster, in bounded memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from smalti.errors import DataError
    from smalti.formats.probe import Probe
    from smalti.formats.report import Loss
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target
    from smalti.storage.location import Location

OnError = Literal["raise", "skip"]


class Options(BaseModel):
    """The base of a format's options: keyword arguments in Python, flags on the command line.

    Every field has a default and a `description`. Options that only reading or only writing knows
    say so: ``Field(json_schema_extra={"side": "read"})``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


OptionsT = TypeVar("OptionsT", bound=Options)


class Grade(IntEnum):
    """How sure a format is that a source is its own."""

    POSSIBLE = 1  # nothing speaks against it
    LIKELY = 2  # the layout fits, and what was looked at inside fits
    CERTAIN = 3  # a marker that no other format has


@dataclass(frozen=True, slots=True)
class Match:
    """A format's claim to a source, with its reason in a few words."""

    grade: Grade
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatInfo:
    """What is known of a format without running it; the documentation's headers are made from it.

    Attributes:
        name: The name in the registry.
        title: The name people know.
        spec: The URL of the specification, or of the code that defines it.
        layout: The files it consists of, as patterns, for messages and documentation.
        keeps: What it can hold: columns and object members as dotted names (``objects.bbox``);
            ``objects.*`` and ``*`` for all.
        file_suffixes: Suffixes of a target that is one file instead of a folder.
        extra: The extra of smalti that it needs.
    """

    name: str
    title: str
    spec: str
    layout: tuple[str, ...]
    keeps: frozenset[str]
    file_suffixes: tuple[str, ...] = ()
    extra: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a source that one worker reads: picklable, and it does not hold the data.

    Attributes:
        key: What the reader needs to find it.
        samples: How many samples it has, for the progress bar.
    """

    key: Any
    samples: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is known of a source before its parts are read.

    Attributes:
        schema: The schema of every batch that its parts give when they are read whole.
        parts: The parts, in the source's order.
        repairs: What reading will mend.
        errors: What planning left out with ``on_error="skip"``, as errors with their place.
        objects_skipped: Objects that are left out with those errors.
        samples_skipped: Samples that are left out with those errors.
    """

    schema: Schema
    parts: Sequence[Part]
    repairs: Sequence[Loss] = ()
    errors: Sequence[DataError] = ()
    objects_skipped: int = 0
    samples_skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRead:
    """A part as it was read.

    Attributes:
        batch: The samples, with exactly the columns of the schema that was asked for.
        counts: For fields of the plan's schema that were not asked for: how many values (objects
            for members, samples for columns) the part holds, so that their loss can be counted
            without decoding them. By dotted name; an object field's bare name counts its objects.
        examples: For those fields, one place where a value stands (a sample's id, with the object's
            where it has one).
        repairs: What reading mended.
        errors: What ``on_error="skip"`` left out.
        objects_skipped: Objects that are left out with those errors.
        samples_skipped: Samples that are left out with those errors.
    """

    batch: pa.RecordBatch
    counts: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    repairs: Sequence[Loss] = ()
    errors: Sequence[DataError] = ()
    objects_skipped: int = 0
    samples_skipped: int = 0


class Reader(ABC, Generic[OptionsT]):
    """Reads one source. Picklable: a worker gets it with a part.

    Args:
        root: The source, a file or a folder.
        media: Where the images lie; null: where the format's layout puts them.
        options: The format's options.
        on_error: ``raise``: the first faulty place ends it. ``skip``: faulty samples and objects
            are left out, counted, and named in the report.
    """

    def __init__(self, root: Location, media: Location | None, options: OptionsT, on_error: OnError) -> None:
        self.root = root
        self.media = media
        self.options = options
        self.on_error = on_error

    @abstractmethod
    def plan(self) -> Plan:
        """Find out the schema and the parts.

        Raises:
            EmptySourceError: Nothing was found.
            DataError: The source is faulty at one place.
        """

    @abstractmethod
    def read(self, part: Part, schema: Schema) -> PartRead:
        """Read a part. Several threads may do so at once.

        Args:
            part: A part of the plan.
            schema: The plan's schema, or a projection of it (`Schema.project`): what is not in it
                need not be decoded.
        """


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a part stands in the whole: its number, and how many samples and objects precede it."""

    index: int = 0
    samples: int = 0
    objects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """What writing a part did. Picklable: a worker sends it home.

    Attributes:
        samples: Samples written.
        objects: Objects written.
        losses: What this part lost beyond what `Writer.losses` declares.
        media: Pairs of an image path in the source and the path it has in the target; `Writer.finish` does not get them.
        files: Files written.
        payload: What `Writer.finish` needs to know of this part.
    """

    samples: int
    objects: int
    losses: Sequence[Loss] = ()
    media: Sequence[tuple[str, str]] = ()
    files: int = 0
    payload: Any = None


class Writer(ABC, Generic[OptionsT]):
    """Writes datasets of one schema. Picklable: a worker gets it with a batch.

    Args:
        schema: The schema of the dataset; batches come with `wants` of it.
        options: The format's options.
        single_file: The name the target's one file shall have; null: the target is a folder.

    Attributes:
        needs_images: What is written is the images themselves: their folders are the labels, say.
        wants_origin: Whether it asks what the samples are a copy of.
        origin: That: the ``digest`` of the dataset, and where it is of a store ``store`` and ``version``; empty where
            it is not known, or not asked for.

    Raises:
        OptionError: The options do not fit the schema, or leave more than one answer.
    """

    needs_images: bool = False
    wants_origin: bool = False
    origin: Mapping[str, Any] = {}

    def __init__(self, schema: Schema, options: OptionsT, single_file: str | None = None) -> None:
        self.schema = schema
        self.options = options
        self.single_file = single_file

    @abstractmethod
    def wants(self) -> Schema:
        """The part of the schema that batches must bring; the rest need not be decoded."""

    @abstractmethod
    def losses(self) -> list[Loss]:
        """What cannot be held, known from the schema alone; the pipeline fills in open counts."""

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        """Samples that cannot be written, each as an error whose `sample` is its id.

        The pipeline raises the first, or leaves all of them out with ``on_error="skip"``; `write`
        then gets a batch without any.
        """
        del batch
        return []

    @abstractmethod
    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        """Write one part's samples; `batch` has the schema that `wants` gives."""

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        """Write what concerns the whole; gives the number of files written."""
        del target, results  # a format whose parts are all there is has nothing to add
        return 0

    def late_losses(self) -> list[Loss]:
        """What turned out to be lost, or changed, when the whole was finished."""
        return []

    def details(self) -> dict[str, Any]:
        """What the report should say about this export: the class map, the task."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: one value in one module, named in the registry.

    Attributes:
        info: What is known of it without running it.
        sniff: Whether a source is its own, from a bounded look.
        reader: Its reader; null: it cannot be read.
        writer: Its writer; null: it cannot be written.
        options: Its options.
    """

    info: FormatInfo
    sniff: Callable[[Probe], Match | None]
    reader: type[Reader[Any]] | None = None
    writer: type[Writer[Any]] | None = None
    options: type[Options] = Options
