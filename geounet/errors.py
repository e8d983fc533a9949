"""Every error and warning geounet raises on purpose; imports nothing.

GeounetError
├── RasterError       an input raster cannot be used
├── GridError         tile, halo or grid do not fit together (also a ValueError)
├── ModelError        a model file, card or network cannot be used
├── OptionError       two options, or an option and the input, contradict (also a ValueError)
│   └── OutsideError  an area does not touch the raster
├── OutputError       a result cannot be written where it was asked for (also an OSError)
│   └── TargetError   found out before the work began
├── AnnotationError   an annotation or run-length file cannot be understood
├── PartError         parts of a run do not go together, or one is damaged
├── TrainingError     a dataset or a recipe cannot be trained on
├── SurveyError       too many scenes of a survey failed
└── DeviceMemoryError the batch does not fit the device, a smaller one may
GeounetWarning        the result stands, but the user should know
"""

from __future__ import annotations


class GeounetError(Exception):
    """Base of every error a user can cause or cure; its text is one line."""

    exit_code = 1
    """Exit code of the command line: 1 failed, 2 wrong usage or unusable input."""


class RasterError(GeounetError):
    """An input raster cannot be opened, read or understood."""

    exit_code = 2


class GridError(GeounetError, ValueError):
    """A tile, a halo or a grid does not fit; the message names one that does."""

    exit_code = 2


class ModelError(GeounetError):
    """A model file, its card or its network cannot be used."""

    exit_code = 2


class OptionError(GeounetError, ValueError):
    """An option contradicts another one or the input."""

    exit_code = 2


class OutsideError(OptionError):
    """The area that is asked for does not touch the raster; one of a survey's may be so."""


class OutputError(GeounetError, OSError):
    """A result cannot be written at the path asked for."""


class TargetError(OutputError):
    """The path asked for exists, is the input, or cannot be written to; nothing was begun."""

    exit_code = 2


class AnnotationError(GeounetError):
    """An annotation or run-length file cannot be understood; nothing was written."""

    exit_code = 2


class PartError(GeounetError):
    """Parts of a run do not go together, or one of them cannot be understood."""

    exit_code = 2


class TrainingError(GeounetError):
    """A dataset or recipe cannot be trained on."""

    exit_code = 2


class SurveyError(GeounetError):
    """Too many scenes of a survey failed; those that are done are kept."""


class DeviceMemoryError(GeounetError):
    """The device has no room for this batch; a smaller batch may fit."""


class GeounetWarning(UserWarning):
    """The result stands, but the user should know something about it."""
