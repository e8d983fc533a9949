"""What every page has: head, policy, title and foot; its own style, parts and scripts within."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TEXT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
"""What could end a script element, as JSON may also write it."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A page; every text is HTML already."""

    title: str
    """Of the browser's tab."""
    kicker: str
    """What kind of page it is, above its name."""
    name: str
    """What it is about."""
    about: str
    """One sentence below its name."""
    software: str
    """What made it."""
    main: str
    """Everything between."""
    foot: str = ""
    """Paragraphs at its end."""
    style: str
    """Rules beside those of all pages."""
    sources: str = "img-src data:"
    """Whence the policy lets pictures and fonts come; addresses are none of these."""
    data: Mapping[str, Any]
    """What the scripts read."""
    scripts: Sequence[str]
    """In their order; the policy lets these run and no other."""


def framed(frame: Frame) -> str:
    """Return the page: one file that needs no network."""
    hashes = (b64encode(sha256(each.encode()).digest()).decode() for each in frame.scripts)
    return Template(page_file("frame.html")).substitute(
        vars(frame),
        style=page_file("frame.css") + frame.style,
        hashes=" ".join(f"'sha256-{each}'" for each in hashes),
        scripts="\n".join(f"<script>{each}</script>" for each in frame.scripts),
        data=json.dumps(frame.data, allow_nan=False).translate(_TEXT),
    )


def page_file(name: str) -> str:
    """Return the text of a file beside this one."""
    return resources.files("geounet.page").joinpath(name).read_text(encoding="utf-8")
