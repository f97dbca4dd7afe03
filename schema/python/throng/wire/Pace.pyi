from __future__ import annotations

import flatbuffers
import numpy as np

import typing

uoffset: typing.TypeAlias = flatbuffers.number_types.UOffsetTFlags.py_type

class Pace(object):
  @classmethod
  def SizeOf(cls) -> int: ...

  def Init(self, buf: bytes, pos: int) -> None: ...
  def Speed(self) -> int: ...
  def RefreshTicks(self) -> int: ...

def CreatePace(builder: flatbuffers.Builder, speed: int, refreshTicks: int) -> uoffset: ...

