from __future__ import annotations

import flatbuffers
import numpy as np

import typing

uoffset: typing.TypeAlias = flatbuffers.number_types.UOffsetTFlags.py_type

class Attr(object):
  @classmethod
  def SizeOf(cls) -> int: ...

  def Init(self, buf: bytes, pos: int) -> None: ...
  def Place(self) -> int: ...
  def Value(self) -> int: ...

def CreateAttr(builder: flatbuffers.Builder, place: int, value: int) -> uoffset: ...

