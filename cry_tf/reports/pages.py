"""HTML pages from the templates beside this file, each a file that opens offline."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cry_lite import atomic

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: Any) -> str:
    """Returns a page as one HTML document.

    Every value is escaped; a value that a template needs and does not get is an
    error.

    Args:
        template: Name of a file in `templates`.
        **values: What the template shows.
    """
    return _environment().get_template(template).render(**values)


def write(
    path: Path, page: Callable[[], str | bytes], warn: Callable[[str], None]
) -> None:
    """Writes a page or a picture, or warns in one line why there is none.

    A report shows figures that are already in other files, so nothing that goes
    wrong with it may cost them.

    Args:
        path: The file.
        page: Makes its content; called once.
        warn: Takes the line.
    """
    try:
        content = page()
        if isinstance(content, str):
            # A file name may hold bytes that are no UTF-8.
            content = content.encode("utf-8", "backslashreplace")
        atomic.write_bytes(path, content)
    except Exception as error:
        reason = " ".join(str(error).split())
        warn(
            f"{path.name} is not written: {type(error).__name__}: {reason}. "
            "The figures are in the other files of the folder."
        )


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("cry_tf.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
