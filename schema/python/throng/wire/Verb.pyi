from __future__ import annotations

import flatbuffers
import numpy as np

import typing
from typing import cast

uoffset: typing.TypeAlias = flatbuffers.number_types.UOffsetTFlags.py_type

class Verb(object):
  None_ = cast(int, ...)
  Buy = cast(int, ...)
  Sell = cast(int, ...)
  PickUp = cast(int, ...)
  Drop = cast(int, ...)
  Use = cast(int, ...)
  TradeOpen = cast(int, ...)
  TradeOffer = cast(int, ...)
  TradeConfirm = cast(int, ...)
  TradeCancel = cast(int, ...)
  Say = cast(int, ...)
  Shout = cast(int, ...)
  Whisper = cast(int, ...)
  Mute = cast(int, ...)
  EnterZone = cast(int, ...)
  LeaveZone = cast(int, ...)

