from __future__ import annotations

import flatbuffers
import numpy as np

import typing
from typing import cast

uoffset: typing.TypeAlias = flatbuffers.number_types.UOffsetTFlags.py_type

class Told(object):
  None_ = cast(int, ...)
  Answer = cast(int, ...)
  Money = cast(int, ...)
  Item = cast(int, ...)
  Price = cast(int, ...)
  Trade = cast(int, ...)
  TradeState = cast(int, ...)
  Said = cast(int, ...)
  Shouted = cast(int, ...)
  Whispered = cast(int, ...)
  Progress = cast(int, ...)
  Accomplished = cast(int, ...)
  Zone = cast(int, ...)
  Died = cast(int, ...)
  Respawned = cast(int, ...)

