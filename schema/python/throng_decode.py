#!/usr/bin/env python3
"""An independent reader of Throng's wire, written from PROTOCOL.md with the official flatbuffers runtime.

It reads the golden vectors, reconstructs every view in them, checks digests, acknowledgements and refusals,
prints how much it checked, and exits with 1 if anything differs.

    pip install flatbuffers==25.12.19
    python3 schema/python/throng_decode.py [VECTORS_FOLDER]

The generated modules in throng/ come from `flatc --python --python-typing`. This runtime has no verifier, so a
client that trusts nobody must expect its accessors to raise on hostile bytes; `read` turns that into `Refused`.
"""

import json
import math
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from throng.wire.Command import Command  # noqa: E402
from throng.wire.Hello import Hello  # noqa: E402
from throng.wire.Input import Input  # noqa: E402
from throng.wire.Notice import Notice  # noqa: E402
from throng.wire.Snapshot import Snapshot  # noqa: E402

SCHEMA_VERSION = 2
KIND_INPUT = 1
KIND_SNAPSHOT = 2
NEAR_MAX = 4096
NAME_BYTES_MAX = 32
CHARACTER_NAME_BYTES_MAX = 47
TEXT_BYTES_MAX = 256
INTENTS_MAX = 8
VERBS = range(1, 16)
SPEED_USUAL = 1000
UNITS_PER_METRE = 32
VIEW_RADIUS_M_MAX = 960
VIEW_HISTORY_TICKS = 64
FAR_FORGET_EXTRA_TICKS = 32


class Refused(Exception):
    """A message that breaks the contract."""


# ---------------------------------------------------------------- messages


def read(data, table):
    """The root table of a size-prefixed message."""
    if len(data) < 8:
        raise Refused("too short")
    (claimed,) = struct.unpack_from("<I", data)
    if claimed != len(data) - 4:
        raise Refused(f"prefix claims {claimed} of {len(data) - 4} bytes")
    try:
        return table.GetRootAs(data, 4)
    except (struct.error, IndexError, TypeError) as error:
        raise Refused(f"malformed: {error}") from error


def check_input(message):
    if message.Sequence() == 0:
        raise Refused("no sequence")
    intent = message.Intent()
    if intent is None:
        raise Refused("no intent")
    sequence, ack_tick = message.Sequence(), message.AckTick()
    intents = [intent, *map(message.Past, range(message.PastLength()))][: min(INTENTS_MAX, sequence)]
    if not all(math.isfinite(i.MoveX()) and math.isfinite(i.MoveY()) for i in intents):
        raise Refused("not finite")
    steps = [[sequence - age, i.MoveX(), i.MoveY(), i.Yaw(), i.Buttons()] for age, i in enumerate(intents)]
    return {
        "sequence": sequence,
        "ack_tick": ack_tick,
        "shown_tick": message.ShownTick() or ack_tick,
        "steps": steps[::-1],
    }


def check_command(message):
    if message.Verb() not in VERBS:
        raise Refused("no such verb")
    if message.Money() < 0:
        raise Refused("negative money")
    return {"verb": message.Verb(), **check_told(message)}


def check_notice(message):
    return {"tick": message.Tick(), "told": message.Told(), "outcome": message.Outcome(), **check_told(message)}


def check_told(message):
    """What commands and notices have in common."""
    id_ = message.Id()
    number = 0 if id_ is None else id_.High() << 64 | id_.Low()
    return {
        "id": f"{number:032x}",
        "entity": message.Entity(),
        "item": message.Item(),
        "quantity": message.Quantity(),
        "money": str(message.Money()),
        "revision": message.Revision(),
        "text": check_text(message.Text() or b"", TEXT_BYTES_MAX, False),
        "name": check_text(message.Name() or b"", CHARACTER_NAME_BYTES_MAX, True),
    }


UNPRINTABLE = [
    (0x0000, 0x001F), (0x007F, 0x00A0), (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C),
    (0x115F, 0x1160), (0x1680, 0x1680), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x200F),
    (0x2028, 0x202F), (0x205F, 0x206F), (0x2800, 0x2800), (0x3000, 0x3000), (0x3164, 0x3164),
    (0xE000, 0xF8FF), (0xFDD0, 0xFDEF), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFF), (0xE0000, 0x10FFFF),
]  # fmt: skip


def check_text(raw, bytes_max, is_name):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None
    if len(raw) > bytes_max:
        raise Refused("too long")
    if is_name and text != text.strip(" "):
        raise Refused("a space at its end")
    for code in map(ord, text):
        if code & 0xFFFE == 0xFFFE or any(low <= code <= high for low, high in UNPRINTABLE):
            raise Refused("cannot be shown")
    return text


def hello_is_good(hello):
    try:
        return hello.Version() == SCHEMA_VERSION and check_text(hello.Name() or b"", NAME_BYTES_MAX, True) != ""
    except Refused:
        return False


# ---------------------------------------------------------------- views


def i16(value):
    """The low 16 bits, as a signed number."""
    return (value + 0x8000) % 0x10000 - 0x8000


def digest(near):
    h = 0x811C9DC5
    for id_, x, y, z, yaw, a0, a1, a2, a3 in near:
        for word in (
            id_,
            x & 0xFFFF | (y & 0xFFFF) << 16,
            z & 0xFFFF | yaw << 16,
            a0 | a1 << 16,
            a2 | a3 << 16,
        ):
            h = (h ^ word) * 0x9E3779B1 & 0xFFFFFFFF
            h = (h << 15 | h >> 17) & 0xFFFFFFFF
    return h or 1


def nearest_units(own_metres, wrapped):
    """The absolute position that a wrapped one means: of all such the nearest to the avatar's."""
    own = math.floor(own_metres * UNITS_PER_METRE)
    return own + i16(wrapped - i16(own))


class View:
    """An entity is a list [id, x, y, z, yaw, attr0, attr1, attr2, attr3], as in the vectors."""

    def __init__(self):
        self.newest = 0
        self.fresh_wanted = False
        self.lists = {}
        self.own_attrs = {}
        self.far = {}
        self.refresh_ticks = 0
        self.pace = None
        self.events = []

    @property
    def near(self):
        return self.lists.get(self.newest, [])

    @property
    def ack_tick(self):
        return 0 if self.fresh_wanted else self.newest

    def receive(self, data):
        """'applied', 'stale' or 'unusable'; raises Refused after asking for a fresh start."""
        try:
            try:
                return self.apply(read(data, Snapshot))
            except (struct.error, IndexError, TypeError) as error:
                raise Refused(f"malformed: {error}") from error
        except Refused:
            self.fresh_wanted = True
            self.lists.clear()
            self.own_attrs.clear()
            raise

    def apply(self, s):
        tick, baseline = s.Tick(), s.Baseline()
        if tick == 0 or baseline >= tick:
            raise Refused("tick is not after its baseline")
        if tick <= self.newest:
            return "stale"
        if baseline != 0 and baseline not in self.lists:
            return "unusable"
        own = s.Own()
        if own is None or not all(map(math.isfinite, (own.X(), own.Y(), own.Z(), own.Vx(), own.Vy()))):
            raise Refused("own state")
        refresh_ticks = self.refresh_ticks
        world = s.World()
        if world is not None:
            check_world(world)
            refresh_ticks = world.RefreshTicks()
        elif baseline == 0:
            raise Refused("no baseline and no world")

        near = rebuild(self.lists[baseline] if baseline else [], s)
        if s.Digest() != 0 and s.Digest() != digest(near):
            raise Refused("digest differs")

        ages = [s.Events(j).Age() for j in range(s.EventsLength())]
        oldest = tick - baseline - 1 if baseline else 0
        if any(b > a for a, b in zip([oldest, *ages], ages)):
            raise Refused("events")

        self.refresh_ticks = refresh_ticks
        pace = s.Pace()
        self.pace = pace and [pace.Speed(), pace.RefreshTicks()]
        if pace and pace.RefreshTicks():
            refresh_ticks = pace.RefreshTicks()
        attr = s.OwnAttr()
        attr = [attr.Attr(k) for k in range(4)] if attr else self.own_attrs.get(baseline, [0, 0, 0, 0])
        if baseline == 0:
            self.fresh_wanted = False
        for f in map(s.Far, range(s.FarLength())):
            self.far[f.Id()] = [f.Id(), f.X(), f.Y(), f.Z(), f.Yaw(), f.Attr0High(), tick]
        near_ids = {e[0] for e in near}
        oldest = tick - refresh_ticks - FAR_FORGET_EXTRA_TICKS
        self.far = {i: f for i, f in self.far.items() if i not in near_ids and f[6] >= oldest}
        happened = [(tick - age, s.Events(j)) for j, age in enumerate(ages)]
        self.events = [
            [at, e.Kind(), e.Value(), e.Source(), e.Target(), e.X(), e.Y()] for at, e in happened if at > self.newest
        ]
        self.newest = tick
        self.lists[tick], self.own_attrs[tick] = near, attr
        while len(self.lists) > VIEW_HISTORY_TICKS:
            del self.lists[min(self.lists)]
            del self.own_attrs[min(self.own_attrs)]
        return "applied"


def check_world(world):
    sizes = (world.Width(), world.Height(), world.ViewRadius())
    if not all(math.isfinite(v) and v > 0 for v in sizes) or sizes[2] > VIEW_RADIUS_M_MAX:
        raise Refused("world size")
    if not 10 <= world.TickHz() <= 60 or world.UnitsPerMetre() != UNITS_PER_METRE:
        raise Refused("world rate or unit")


def rebuild(start, s):
    """The new near list, from the baseline's."""
    gone = [s.Gone(j) for j in range(s.GoneLength())]
    if any(b <= a for a, b in zip(gone, gone[1:])) or (gone and gone[-1] >= len(start)):
        raise Refused("gone")
    full = [s.Full(j) for j in range(s.FullLength())]
    indices = [f.Index() for f in full]
    length = len(start) - len(gone) + len(full)
    if length > NEAR_MAX:
        raise Refused("near list too long")
    if any(b <= a for a, b in zip(indices, indices[1:])) or (indices and indices[-1] >= length):
        raise Refused("full")

    gone = set(gone)
    near = [list(e) for place, e in enumerate(start) if place not in gone]
    for f in full:
        # Inserting by ascending final place puts each where it belongs.
        near.insert(f.Index(), [f.Id(), f.X(), f.Y(), f.Z(), f.Yaw(), *(f.Attr(k) for k in range(4))])

    bits = [8 * byte + bit for byte in range(s.ChangedLength()) for bit in range(8) if s.Changed(byte) >> bit & 1]
    if len(bits) != s.MovedLength() or (bits and bits[-1] >= length):
        raise Refused("changed and moved")
    for place, m in zip(bits, map(s.Moved, range(s.MovedLength()))):
        e = near[place]
        e[1], e[2], e[3] = i16(e[1] + m.Dx()), i16(e[2] + m.Dy()), i16(e[3] + m.Dz())
        e[4] = m.Yaw()

    for a in map(s.Attr, range(s.AttrLength())):
        place, which = a.Place() & 0x3FFF, a.Place() >> 14
        if place >= length:
            raise Refused("attr")
        near[place][5 + which] = a.Value()
    return near


# ---------------------------------------------------------------- the vectors


class Checker:
    def __init__(self):
        self.checked = 0
        self.wrong = 0

    def equal(self, what, found, expected):
        self.checked += 1
        if found != expected:
            self.wrong += 1
            print(f"MISMATCH {what}: found {found!r}, expected {expected!r}")


def check_messages(vectors, c, table, check):
    for case in vectors:
        try:
            found = check(read(bytes.fromhex(case["message"]), table))
        except Refused:
            found = "refused"
        expect = case["expect"]
        c.equal(case["name"], found, "refused" if "refused" in expect else expect)
    return f"{len(vectors)} {table.__name__.lower()}s"


def check_inputs(vectors, c):
    return check_messages(vectors, c, Input, check_input)


def check_commands(vectors, c):
    return check_messages(vectors, c, Command, check_command)


def check_notices(vectors, c):
    return check_messages(vectors, c, Notice, check_notice)


def check_hellos(vectors, c):
    for case in vectors:
        hello = read(bytes.fromhex(case["message"]), Hello)
        c.equal("hello version", hello.Version(), case["version"])
        c.equal("hello name", (hello.Name() or b"").decode(), case["name"])
        c.equal(f"hello {case['name']!r} accepted", hello_is_good(hello), case["accepted"])
    return f"{len(vectors)} hellos"


def check_malformed(vectors, c):
    for case in vectors:
        try:
            read(bytes.fromhex(case["message"]), Snapshot)
            c.equal(case["name"], "accepted", "refused")
        except Refused:
            c.equal(case["name"], "refused", "refused")
    return f"{len(vectors)} malformed messages"


def check_snapshots(vectors, c):
    entities = 0
    for case in vectors:
        view = View()
        if case["start_tick"]:
            view.newest, view.lists, view.refresh_ticks = case["start_tick"], {case["start_tick"]: case["start"]}, 8
        data = bytes.fromhex(case["message"])
        name, expect = case["name"], case["expect"]
        try:
            outcome = view.receive(data)
        except Refused as refusal:
            c.equal(f"{name} ({refusal})", "refused" in expect, True)
            c.equal(f"{name}: asks for a fresh start", view.ack_tick, 0)
            continue
        c.equal(f"{name}: outcome", outcome, expect.get("outcome"))
        s = read(data, Snapshot)
        own = s.Own()
        c.equal(f"{name}: tick", [s.Tick(), s.Baseline(), s.Input()], [expect[k] for k in ("tick", "baseline", "input")])
        c.equal(f"{name}: own", [own.X(), own.Y(), own.Z(), own.Vx(), own.Vy()], expect["own"])
        c.equal(f"{name}: own yaw", own.Yaw(), expect["own_yaw"])
        c.equal(f"{name}: queued", own.Flags() & 15, expect["queued"])
        c.equal(f"{name}: pace", view.pace, expect["pace"])
        c.equal(f"{name}: events", view.events, expect["events"])
        c.equal(f"{name}: own attributes", view.own_attrs.get(view.newest), expect["own_attr"])
        c.equal(f"{name}: near", view.near, expect["near"])
        c.equal(f"{name}: digest", digest(view.near), expect["digest"])
        c.equal(f"{name}: digest carried", s.Digest() != 0, expect["digest_carried"])
        c.equal(f"{name}: far", sorted(view.far.values()), expect["far"])
        units = [[nearest_units(own.X(), e[1]), nearest_units(own.Y(), e[2])] for e in view.near]
        c.equal(f"{name}: units", units, expect["near_units"])
        entities += len(view.near) + len(view.far)
    return f"{len(vectors)} snapshots, {entities} entities"


def check_sequence(vectors, c):
    view = View()
    counts = {"lost": 0}
    entities = 0
    for step in vectors["steps"]:
        if step.get("lost"):
            counts["lost"] += 1
            continue
        try:
            outcome = view.receive(bytes.fromhex(step["message"]))
        except Refused as refusal:
            outcome = str(refusal)
        counts[outcome] = counts.get(outcome, 0) + 1
        expect, what = step["expect"], f"sequence, tick {step['tick']}"
        c.equal(f"{what}: outcome", outcome, expect["outcome"])
        c.equal(f"{what}: ack", view.ack_tick, expect["ack_tick"])
        if "digest" in expect:
            c.equal(f"{what}: digest", digest(view.near), expect["digest"])
            c.equal(f"{what}: own attributes", view.own_attrs[view.newest], expect["own_attr"])
            c.equal(f"{what}: events", view.events if outcome == "applied" else [], expect["events"])
            c.equal(f"{what}: sizes", [len(view.near), len(view.far)], [expect["near"], expect["far"]])
        entities += len(view.near)
    final = vectors["final"]
    c.equal("sequence: final tick", view.newest, final["tick"])
    c.equal("sequence: final near list", view.near, final["near"])
    c.equal("sequence: final far set", sorted(view.far.values()), final["far"])
    parts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
    return f"{len(vectors['steps'])} steps of a sequence ({parts}), {entities} entities"


CHECKS = {
    "inputs.json": check_inputs,
    "commands.json": check_commands,
    "notices.json": check_notices,
    "hellos.json": check_hellos,
    "malformed.json": check_malformed,
    "snapshots.json": check_snapshots,
    "sequence.json": check_sequence,
}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "vectors"
    c = Checker()
    for name, check in CHECKS.items():
        with open(folder / name, encoding="utf-8") as file:
            print(f"{name}: {check(json.load(file), c)}")
    elsewhere = {"channel.json", "handshake.json"}  # throng_transport.py
    unread = {path.name for path in folder.iterdir()} - CHECKS.keys() - elsewhere
    c.equal("files that nobody reads", unread, set())
    print(f"{c.checked} checks, {c.wrong} mismatches")
    return 1 if c.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
