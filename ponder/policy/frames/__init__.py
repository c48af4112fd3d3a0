"""Frames: how a question is put to a model, where its thinking ends and where its answer stands.

One setting (`frame.kind`), the same in training, search, evaluation, `solve` and export. `auto` chooses by the chat
template and by what is saved beside the weights; the others say it outright. A frame of one's own is a class with
a `kind`, registered with `FRAMES.register`.
"""

from __future__ import annotations

from typing import Annotated

from ponder.plugins import Registry
from ponder.policy.frames.auto import Auto
from ponder.policy.frames.chain import Chain
from ponder.policy.frames.few_shot import FewShot
from ponder.policy.frames.frame import Frame as Frame
from ponder.policy.frames.plain import Plain
from ponder.policy.frames.thinking import Native, Opened, Tags

FRAMES: Registry[Frame] = Registry("frame", Frame, "auto")
for _kind in (Auto, Native, Tags, Chain, FewShot, Plain, Opened):
    FRAMES.register(_kind)
AnyFrame = Annotated[Frame, FRAMES]
