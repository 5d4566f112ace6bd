"""What can go wrong, as one tree. This module imports nothing of smalti's.

SmaltiError
├── DataError (ValueError)              the input is wrong: file, place, found, expected, what to do
│   └── UnsafePathError                 a path in the data leaves its root
├── EmptySourceError (ValueError)       nothing was found: what was looked for, and where
├── UnknownFormatError (LookupError)    no format has that name, or none recognises the source
├── AmbiguousFormatError (ValueError)   several formats recognise the source
├── OptionError (ValueError)            an option that the format does not have, or cannot take
├── SchemaError (ValueError)            a schema that contradicts itself or its table
├── LossError (ValueError)              the target cannot hold all of it, and on_loss="error"
├── TargetExistsError (FileExistsError) the target is there already, and overwrite is off
├── ConflictError (RuntimeError)         another writer's version changed the same samples: which
└── MissingExtraError (ImportError)     an optional library is not installed: which extra brings it
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KNOWN_SHOWN = 8  # names listed in a message before it says "and n more"


class SmaltiError(Exception):
    """The base of every error that smalti raises on purpose."""


class DataError(SmaltiError, ValueError):
    """The input is wrong at one place.

    Attributes:
        reason: What was found and what was expected.
        file: The file as a path or URL, or None while it is not known.
        position: The place inside it: ``"line 3"``, ``"$.annotations[0].bbox[2]"``; None for the whole file.
        sample: The sample's id, where one is known.
        hint: What to do about it.
    """

    def __init__(
        self,
        reason: str,
        *,
        file: str | None = None,
        position: str | None = None,
        sample: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.file = file
        self.position = position
        self.sample = sample
        self.hint = hint

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.file, self.position) if part)
        if self.sample:
            place += f" (sample {self.sample!r})" if place else f"sample {self.sample!r}"
        text = f"{place}: {self.reason}" if place else self.reason
        return f"{text}; {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword arguments do not survive the default pickling, and workers send errors home.
        return (_rebuild, (type(self), self.reason, self.file, self.position, self.sample, self.hint))


def _rebuild(
    cls: type[DataError],
    reason: str,
    file: str | None,
    position: str | None,
    sample: str | None,
    hint: str | None,
) -> DataError:
    return cls(reason, file=file, position=position, sample=sample, hint=hint)


class UnsafePathError(DataError):
    """A path in the data is absolute, a URL, or leaves its root."""


class EmptySourceError(SmaltiError, ValueError):
    """Nothing was found in the source; the message says what was looked for, and where."""


class UnknownFormatError(SmaltiError, LookupError):
    """No format has that name, or none recognises the source."""


class AmbiguousFormatError(SmaltiError, ValueError):
    """Several formats recognise the source equally well; the message names them."""


class OptionError(SmaltiError, ValueError):
    """An option that the format does not have, or a value that it cannot take."""


class SchemaError(SmaltiError, ValueError):
    """A schema that contradicts itself or its table."""


class LossError(SmaltiError, ValueError):
    """The target cannot hold everything, and ``on_loss="error"`` was asked for."""


class TargetExistsError(SmaltiError, FileExistsError):
    """The target is there already; pass ``overwrite=True`` to replace it."""


class ConflictError(SmaltiError, RuntimeError):
    """Another writer's version changed the same samples.

    Attributes:
        samples: Their ids.
    """

    def __init__(self, message: str, samples: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.samples = tuple(samples)

    def __reduce__(self) -> tuple[object, ...]:
        return ConflictError, (str(self), self.samples)


class MissingExtraError(SmaltiError, ImportError):
    """An optional library is not installed; the message names the extra that brings it."""


class LossWarning(UserWarning):
    """The target cannot hold everything; the report says what."""


@contextmanager
def at(*, file: str | None = None, position: str | None = None, sample: str | None = None) -> Iterator[None]:
    """Give every `DataError` raised inside the place that it does not carry yet."""
    try:
        yield
    except DataError as error:
        error.file = error.file or file
        error.position = error.position or position
        error.sample = error.sample or sample
        raise


def listed(names: Iterable[object], shown: int = KNOWN_SHOWN) -> str:
    """Join names for a message, capped: ``"'a', 'b' and 3 more"``."""
    every = [repr(name) for name in names]
    if len(every) <= shown:
        return ", ".join(every) or "none"
    return f"{', '.join(every[:shown])} and {len(every) - shown} more"
