"""Pictures of a question: files or bytes as data URLs, which is how chat servers take them."""

from __future__ import annotations

import base64
from pathlib import Path

from ponder.types import PonderError

LARGEST = 20 * 2**20  # bytes of one picture
_SIGNS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif"}


def data_url(picture: Path | str | bytes) -> str:
    """A picture (PNG, JPEG, GIF or WebP; a file or its bytes) as a data URL. PonderError for anything else."""
    name = "the picture" if isinstance(picture, bytes) else str(picture)
    try:
        data = picture if isinstance(picture, bytes) else _read(Path(picture))
    except OSError as error:
        raise PonderError(f"picture {name} cannot be read: {error.strerror or error}") from error
    if len(data) > LARGEST:
        raise PonderError(f"{name} has {len(data)} bytes; at most {LARGEST} are sent")
    kind = next((kind for sign, kind in _SIGNS.items() if data.startswith(sign)), None)
    if kind is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "webp"
    if kind is None:
        raise PonderError(f"{name} is no picture that is known here: give a PNG, JPEG, GIF or WebP file")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST + 1)
