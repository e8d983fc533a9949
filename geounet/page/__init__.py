"""One self-contained page to look at a result: the scene, its footprints, figures, provenance."""

from __future__ import annotations

from geounet.page.sheet import write_page

__all__ = ["write_page"]
