from __future__ import annotations

import flatbuffers
import numpy as np

import typing
from typing import cast

uoffset: typing.TypeAlias = flatbuffers.number_types.UOffsetTFlags.py_type

class Outcome(object):
  Done = cast(int, ...)
  Malformed = cast(int, ...)
  Gone = cast(int, ...)
  TooFar = cast(int, ...)
  NotEnoughMoney = cast(int, ...)
  NotEnoughItems = cast(int, ...)
  Full = cast(int, ...)
  Price = cast(int, ...)
  Changed = cast(int, ...)
  TooFast = cast(int, ...)
  Muted = cast(int, ...)
  Dead = cast(int, ...)
  Fighting = cast(int, ...)
  Oneself = cast(int, ...)
  NotAllowed = cast(int, ...)

