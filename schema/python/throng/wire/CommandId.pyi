from __future__ import annotations

import flatbuffers
import numpy as np

import typing

uoffset: typing.TypeAlias = flatbuffers.number_types.UOffsetTFlags.py_type

class CommandId(object):
  @classmethod
  def SizeOf(cls) -> int: ...

  def Init(self, buf: bytes, pos: int) -> None: ...
  def Low(self) -> int: ...
  def High(self) -> int: ...

def CreateCommandId(builder: flatbuffers.Builder, low: int, high: int) -> uoffset: ...

