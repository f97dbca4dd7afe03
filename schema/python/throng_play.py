#!/usr/bin/env python3
"""An independent client from end to end, written from PROTOCOL.md and docs/openapi.json: it plays on a running server.

Logs in over HTTPS, or registers when there is no such account yet, makes a character, is let into a realm,
walks towards the middle of the world for a while, or another way where something is in the way, checks what it is
sent, leaves and logs out. Prints one line of what it saw and exits with 0; with 1 and a reason on standard error if
anything was not as written.

    python3 -m pip install flatbuffers==25.12.19 cryptography
    THRONG_PASSWORD=... python3 schema/python/throng_play.py \\
        --gateway https://127.0.0.1:7780 --ca throng-data/tls/cert.pem --name Ada [--invite CODE] [--replay]

Without THRONG_PASSWORD it makes up a password and forgets it, so that the account is for this run alone.
`--replay` also tries to use the connect token again, during the session and after it, and wants no second session.
"""

import argparse
import base64
import collections
import http.client
import importlib.util
import json
import math
import os
import pathlib
import secrets
import select
import socket
import ssl
import struct
import sys
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

PACKAGES = {"flatbuffers": "flatbuffers==25.12.19", "cryptography": "cryptography"}
missing = [wanted for name, wanted in PACKAGES.items() if importlib.util.find_spec(name) is None]
if missing:
    sys.exit(
        f"throng_play: the Python at {sys.executable} lacks packages; needed are flatbuffers and cryptography\n"
        f"  {sys.executable} -m pip install {' '.join(missing)}\n"
        "  or, where pip may not install there: python3 -m venv DIR, and then both commands with DIR/bin/python3"
    )

import flatbuffers  # noqa: E402
from cryptography.exceptions import InvalidSignature  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: E402

import throng_decode as decode  # noqa: E402
import throng_transport as transport  # noqa: E402
from throng.wire import Hello  # noqa: E402
from throng.wire.Notice import Notice  # noqa: E402
from throng.wire.Snapshot import Snapshot  # noqa: E402

HELLO_REPEAT_S = (0.25, 0.5, 1.0)  # the last again and again
CONNECT_S_MAX = 10.0
SILENCE_S_MAX = 10.0
TICK_HZ_AT_FIRST = 20
UNUSABLE_IN_A_ROW_MAX = 8
DISCONNECTS = 3
LEAVES = 1
REPLAY_S = 1.5
REPLAY_REPEAT_S = 0.5
SNAPSHOTS_MIN = 20  # fewer prove neither deltas nor acknowledged inputs
SPEED_MAX_M_S = 5.0
WALKED_M_MIN = 0.5
FOLLOWED_MIN = 5  # snapshots in which the avatar was elsewhere, the way that its velocity says
TRY_STEPS = 10  # of a direction, before it is judged
BLOCKED_M = 0.5  # who comes less far with them stands before something: free, it is 2.5 m at 20 Hz
TURN = math.radians(137.5)  # the golden angle: however often it turns, it takes no direction twice
WALK_SNAPSHOTS_MAX = 600  # half a minute: longer than the dead lie

REFUSALS = {
    1: "the server is full",
    16: "the hello is malformed",
    17: "another schema version is spoken there",
    18: "the name cannot be shown",
    19: "a later token of the same character has been used",
    20: "the account may not play (any more)",
}
FAREWELLS = {
    1: "the client left",
    2: "the server stops",
    3: "the character entered anew",
    16: "the world has no room for another avatar",
    17: "the account may not play (any more)",
    18: "messages of the server were not acknowledged",
}


class Failure(Exception):
    """Why this was no success, for people."""


def want(what, holds):
    if not holds:
        raise Failure(f"not so: {what}")


# ---------------------------------------------------------------- the gateway


class Gateway:
    """JSON over HTTPS. No certificate but the given one is believed, and only for the name that was asked for."""

    def __init__(self, url, ca, wait_s):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/"):
            raise Failure(f"--gateway wants https://HOST:PORT, not {url!r}")
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.load_verify_locations(cafile=ca)
        self.http = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=10, context=trust)
        self.until = time.monotonic() + wait_s
        self.waits_for = None
        self.bearer = None

    def once(self, method, path, body):
        headers = {"Accept": "application/json"}
        if self.bearer:
            headers["Authorization"] = f"Bearer {self.bearer}"
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        try:
            self.http.request(method, path, body, headers)
            response = self.http.getresponse()
            data = response.read()
            return response, json.loads(data) if data else None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Failure(f"{method} {path}: {error}") from error
        finally:
            # One connection a request: the gateway may close one that lay idle while we played.
            self.http.close()

    def sleep(self, seconds, why):
        """Before it asks again. Tells why it waits when that is another reason than the last."""
        if time.monotonic() + seconds > self.until:
            raise Failure(f"{why}, and --wait is over")
        if why != self.waits_for:
            self.waits_for = why
            print(f"throng_play: {why}, waiting", file=sys.stderr, flush=True)
        time.sleep(seconds)

    def ask(self, method, path, body=None, expect=(200,), may_be=()):
        """Status and body; `may_be` are the error codes that the caller goes on from."""
        while True:
            response, answer = self.once(method, path, body)
            if response.status in expect:
                return response.status, answer
            error = (answer or {}).get("error", {})
            code = error.get("code", "without a code")
            if code in may_be:
                return response.status, answer
            said = f"{method} {path}: {response.status} {code}: {error.get('message', '')}"
            later = response.getheader("Retry-After")
            if response.status not in (429, 503) or later is None or not later.isdigit():
                raise Failure(said)
            self.sleep(max(int(later), 1), said)

    def enter(self, name, invite):
        """A session of the account of that name; whether the account is new."""
        password = os.environ.get("THRONG_PASSWORD")
        body = {"name": name, "password": password or secrets.token_urlsafe(24)}
        status, answer = None, None
        if password:
            # First, for who has an account needs no invitation.
            status, answer = self.ask("POST", "/v1/login", body, (200,), ("credentials_wrong",))
        if status != 200:
            if invite:
                body["invite"] = invite
            status, answer = self.ask("POST", "/v1/register", body, (201,), ("name_taken", "invite_required"))
            if status == 403:
                raise Failure(f"there is no account {name!r} with this password, and a new one needs --invite CODE")
            if status != 201:
                hint = "another password in THRONG_PASSWORD" if password else "its password in THRONG_PASSWORD"
                raise Failure(f"the account {name!r} exists: set {hint}, or take another name")
        self.bearer = answer["access_token"]
        return status == 201

    def character(self, name):
        _, answer = self.ask("GET", "/v1/characters")
        if answer["characters"]:
            return answer["characters"][0]
        _, made = self.ask("POST", "/v1/characters", {"name": name}, (201,))
        _, answer = self.ask("GET", "/v1/characters")
        want("a character that was made is listed", made["id"] in [c["id"] for c in answer["characters"]])
        return made

    def realm(self, wanted):
        """The wanted realm, or the first, once it lets players in."""
        while True:
            _, answer = self.ask("GET", "/v1/realms")
            shut = []
            for realm in answer["realms"]:
                check_signature(realm)
                if wanted not in (None, realm["id"]):
                    continue
                if realm["online"] and realm["state"] == "open":
                    return realm
                shut.append(f"realm {realm['id']} is {realm['state'] if realm['online'] else 'offline'}")
            self.sleep(1, "; ".join(shut) or (f"there is no realm {wanted}" if wanted is not None else "there is no realm"))

    def play(self, character, realm, client_public):
        """The admission; waits in the line as long as it takes."""
        body = {"character_id": character["id"], "realm_id": realm["id"], "client_public": b64(client_public)}
        while True:
            status, answer = self.ask("POST", "/v1/play", body, (200, 202))
            if status == 200:
                return answer
            body["ticket"] = answer["ticket"]
            self.sleep(answer["retry_after_ms"] / 1000, f"still at place {answer['position']} of the line")

    def leave(self):
        self.ask("POST", "/v1/logout", expect=(204,))
        status, _ = self.ask("GET", "/v1/characters", may_be=("session_invalid",))
        want("a session that was logged out is invalid", status == 401)


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check_signature(realm):
    name, address = realm["name"].encode(), realm["address"].encode()
    state = ("open", "draining", "starting").index(realm["state"])
    numbers = (realm[f] for f in ("id", "as_of_ms", "population", "capacity", "tick_p99_us"))
    signed = b"throng realm 1" + struct.pack("<IQIIIB", *numbers, state)
    signed += struct.pack("<H", len(name)) + name + struct.pack("<H", len(address)) + address
    try:
        Ed25519PublicKey.from_public_bytes(unb64(realm["public_key"])).verify(unb64(realm["signature"]), signed)
    except InvalidSignature:
        raise Failure(f"not so: realm {realm['id']} signed its listing") from None


# ---------------------------------------------------------------- the realm


def hello_message(name):
    builder = flatbuffers.Builder(64)
    text = builder.CreateString(name)
    Hello.Start(builder)
    Hello.AddVersion(builder, decode.SCHEMA_VERSION)
    Hello.AddName(builder, text)
    builder.FinishSizePrefixed(Hello.End(builder))
    return bytes(builder.Output())


# An input as section 7 of PROTOCOL.md lays it by hand: size, root, padding, vtable, table.
INPUT_HEAD = bytes.fromhex("5c000000 14000000 0000 0e00 2000 0800 0c00 1400 0400 1000 0e000000 1c000000")
INTENTS_SENT = 4


def intent_bytes(direction):
    yaw = int(math.atan2(direction[1], direction[0]) / math.tau * 65536) & 0xFFFF
    return struct.pack("<ffHH", *direction, yaw, 0)


def input_message(sequence, ack_tick, intents):
    """`intents` as bytes, the newest first: this input's and those of the three before it."""
    newest, *past = intents
    head = struct.pack("<III", sequence, ack_tick, 0)
    return INPUT_HEAD + head + newest + struct.pack("<I", len(past)) + b"".join(past)


class Walk:
    """Goes towards a place, and another way where it does not get on.

    It has no map, so that something is in the way is nothing wrong: it shows in snapshots that apply inputs and leave
    the avatar where it was. Only what the server says counts as walked: that the avatar is elsewhere than in the
    snapshot before, the way that its velocity says and no farther than its inputs can take it.
    """

    def __init__(self, at, goal, inputs_applied):
        away = [to - here for to, here in zip(goal, at)]
        length = math.hypot(*away)
        self.direction = (away[0] / length, away[1] / length) if length > 1 else (1.0, 0.0)
        self.at, self.inputs_applied = at, inputs_applied
        self.walked_m, self.followed, self.turns = 0.0, 0, 0
        self.tried_m, self.tried_steps = 0.0, 0

    def snapshot(self, at, velocity, inputs_applied, tick_hz):
        moved = [new - old for new, old in zip(at, self.at)]
        moved_m, steps = math.hypot(*moved), inputs_applied - self.inputs_applied
        self.at, self.inputs_applied = at, inputs_applied
        if moved_m > SPEED_MAX_M_S * steps / tick_hz + 0.1:
            return  # put elsewhere, such as by standing again after death
        if moved_m > 0 and moved[0] * velocity[0] + moved[1] * velocity[1] > 0:
            self.walked_m += moved_m
            self.followed += 1
        self.tried_m += moved_m
        self.tried_steps += steps
        if self.tried_steps >= TRY_STEPS:
            if self.tried_m < BLOCKED_M:
                self.turn()
            self.tried_m, self.tried_steps = 0.0, 0

    def turn(self):
        (x, y), cos, sin = self.direction, math.cos(TURN), math.sin(TURN)
        self.direction = (x * cos - y * sin, x * sin + y * cos)
        self.turns += 1

    def has_walked(self):
        return self.walked_m >= WALKED_M_MIN and self.followed >= FOLLOWED_MIN


def udp_socket(address):
    host, _, port = address.rpartition(":")
    try:
        family, kind, proto, _, where = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        udp = socket.socket(family, kind, proto)
        udp.connect(where)  # the kernel then drops what others send
    except (OSError, ValueError) as error:
        raise Failure(f"the realm's address {address!r}: {error}") from error
    udp.setblocking(False)
    return udp


def send(udp, datagram):
    try:
        udp.send(datagram)
    except OSError:
        pass  # a full buffer, or the echo of an earlier one that nobody listened to: it counts as lost


def receive(udp, wait_s):
    """The next datagram, or None."""
    if select.select([udp], [], [], max(wait_s, 0))[0]:
        try:
            return udp.recv(2048)
        except OSError:
            pass
    return None


class Session:
    """One play, from hello to disconnect."""

    def __init__(self, admission, private, name):
        self.token, self.secret = unb64(admission["token"]), unb64(admission["secret"])
        want("a token has 328 bytes and its secret 32", (len(self.token), len(self.secret)) == (328, 32))
        self.address, self.private, self.name = admission["address"], private, name
        self.view = decode.View()
        self.world = self.own = self.walk = None
        self.inputs = self.input_applied = self.unusable_in_a_row = 0
        self.intents = collections.deque([intent_bytes((0.0, 0.0))] * INTENTS_SENT, INTENTS_SENT)
        self.ticks, self.seen, self.dropped = [], collections.Counter(), collections.Counter()
        self.channel, self.messages = transport.Channel(), []
        self.udp = udp_socket(self.address)
        self.client = self.new_client()

    def new_client(self):
        salt = secrets.randbits(64)
        return transport.Client(self.token, self.secret, self.private, salt, hello_message(self.name))

    def connect(self):
        started = time.monotonic()
        repeat_at, repeats, challenges = started, 0, 0
        while self.client.keys is None:
            now = time.monotonic()
            if now - started > CONNECT_S_MAX:
                got = f"{challenges} challenges, dropped: {dict(self.dropped)}"
                why = "its UDP port is shut on the way, or its keys or its clock are not those of the gateway"
                if challenges:
                    why = "it was started after the token was made (then run this again), or caps leave no room"
                raise Failure(f"no accept from {self.address} within {CONNECT_S_MAX:.0f} s ({got}): {why}")
            if now >= repeat_at:
                send(self.udp, self.client.hello())
                repeat_at = now + HELLO_REPEAT_S[min(repeats, len(HELLO_REPEAT_S) - 1)]
                repeats += 1
            name, reply = self.take(receive(self.udp, repeat_at - now))
            challenges += name == "challenge"
            if reply and (name == "accept" or challenges == 1):
                send(self.udp, reply)
            if name == "refused":
                reason, detail = self.client.refused
                raise Failure(f"refused with {reason} ({REFUSALS.get(reason, 'reserved')}), detail {detail}")
        want("an accept comes after a challenge only", challenges > 0)
        self.input_at = self.heard_at = time.monotonic()

    def take(self, datagram):
        """What a datagram was and what to answer; snapshots go into the view."""
        if datagram is None:
            return None, None
        try:
            (name, kind, body), reply = self.client.receive(datagram)
        except transport.Dropped as reason:
            self.dropped[str(reason)] += 1
            return None, None
        if name == "disconnect":
            raise Failure(f"the server ended the session with {kind} ({FAREWELLS.get(kind, 'its own reason')})")
        if name == "data" and kind & transport.FRAMED:
            try:
                messages, body = self.channel.read(body)
            except transport.Dropped as reason:
                raise Failure(f"a frame of the server is refused: {reason}") from reason
            self.messages += [decode.check_notice(decode.read(message, Notice)) for message in messages]
            kind &= ~transport.FRAMED
        if name == "data" and kind == decode.KIND_SNAPSHOT:
            self.snapshot(body)
        return name, reply

    def snapshot(self, body):
        self.heard_at = time.monotonic()
        try:
            outcome = self.view.receive(body)
        except decode.Refused as reason:
            raise Failure(f"a snapshot after tick {self.view.newest} is refused: {reason}") from reason
        self.seen[outcome] += 1
        self.unusable_in_a_row = self.unusable_in_a_row + 1 if outcome == "unusable" else 0
        if self.unusable_in_a_row >= UNUSABLE_IN_A_ROW_MAX:
            self.view.fresh_wanted, self.unusable_in_a_row = True, 0
        if outcome != "applied":
            return
        s = decode.read(body, Snapshot)
        world, own = s.World(), s.Own()
        if world is not None:
            self.world = {
                "own_id": world.OwnId(),
                "tick_hz": world.TickHz(),
                "size": (world.Width(), world.Height()),
            }
        self.own = (own.X(), own.Y(), own.Z())
        self.ticks.append(s.Tick())
        self.seen["deltas"] += s.Baseline() != 0
        self.seen["digests"] += s.Digest() != 0
        width, height = self.world["size"]
        want(f"the avatar is in the world: {self.own}", 0 <= self.own[0] <= width and 0 <= self.own[1] <= height)
        want("inputs are acknowledged in order", self.input_applied <= s.Input() <= self.inputs)
        self.input_applied = s.Input()
        if self.walk is None:
            self.walk = Walk(self.own[:2], [size / 2 for size in self.world["size"]], self.input_applied)
        else:
            velocity = (own.Vx(), own.Vy())
            self.walk.snapshot(self.own[:2], velocity, self.input_applied, self.world["tick_hz"])
        own_id = self.world["own_id"]
        others = [e[0] for e in self.view.near] + list(self.view.far)
        want("the own avatar is in no list", own_id not in others)
        want("each entity is in one place", len(set(others)) == len(others))

    def step(self):
        """Sends an input when one is due, and takes what has come until the next one is."""
        now = time.monotonic()
        if now - self.heard_at > SILENCE_S_MAX:
            got = f"{self.inputs} inputs sent, seen: {dict(self.seen)}, dropped: {dict(self.dropped)}"
            raise Failure(f"no snapshot for {SILENCE_S_MAX:.0f} s ({got})")
        if now >= self.input_at:
            self.inputs += 1
            self.intents.appendleft(intent_bytes(self.walk.direction if self.walk else (0.0, 0.0)))
            message = input_message(self.inputs, self.view.ack_tick, self.intents)
            frame = self.channel.write(now * 1000)
            kind = decode.KIND_INPUT | (transport.FRAMED if frame else 0)
            send(self.udp, self.client.seal(transport.DATA, kind, frame + message))
            hz = self.world["tick_hz"] if self.world else TICK_HZ_AT_FIRST
            self.input_at = max(self.input_at + 1 / hz, now)
        _, reply = self.take(receive(self.udp, self.input_at - time.monotonic()))
        if reply:
            send(self.udp, reply)

    def watch(self, snapshots):
        """So many snapshots, and more while the avatar looks for a way to go."""
        most = snapshots + WALK_SNAPSHOTS_MAX
        while self.seen["applied"] < snapshots or not self.walk.has_walked():
            if self.seen["applied"] >= most:
                walk = self.walk
                raise Failure(
                    f"not so: the avatar gets somewhere ({walk.walked_m:.2f} m, {walk.turns} times turned, "
                    f"{self.input_applied} of {self.inputs} inputs applied): it is shut in, or the server moves nobody"
                )
            self.step()

    def replay(self, alive):
        """Whoever holds token, secret and private key, all of it, still gets no second session."""
        thief, udp = self.new_client(), udp_socket(self.address)
        before, challenged, until = self.seen["applied"], False, time.monotonic() + REPLAY_S
        repeat_at = 0.0
        while (now := time.monotonic()) < until:
            if now >= repeat_at:
                send(udp, thief.hello())
                repeat_at = now + REPLAY_REPEAT_S
            if alive:
                self.step()
            datagram = receive(udp, 0 if alive else 0.05)
            if datagram is None:
                continue
            want("a connect token is good once", datagram[0] != transport.ACCEPT)
            try:
                (name, _, _), reply = thief.receive(datagram)
            except transport.Dropped:
                continue
            if name == "challenge" and not challenged:
                challenged = True
                send(udp, reply)
        udp.close()
        want("the second use came as far as a challenge", challenged)
        want("a second use leaves the session alone", not alive or self.seen["applied"] > before)

    def leave(self):
        for _ in range(DISCONNECTS):
            send(self.udp, self.client.seal(transport.DISCONNECT, LEAVES))
        # What was on its way may still come; half a second later nothing must.
        until = time.monotonic() + 0.5
        while (left_s := until - time.monotonic()) > 0:
            receive(self.udp, left_s)
        want("nothing comes after a disconnect", receive(self.udp, 0.25) is None)
        self.client.private = self.client.keys = None

    def check(self):
        want("ticks advance", all(a < b for a, b in zip(self.ticks, self.ticks[1:])))
        want("snapshots build on what was acknowledged", self.seen["deltas"] > 0)
        want("inputs are applied", self.input_applied > 0)
        seconds = (self.ticks[-1] - self.ticks[0]) / self.world["tick_hz"]
        if seconds > 1.5:
            want("a digest comes about once a second", self.seen["digests"] > 0)


# ---------------------------------------------------------------- the whole


def play(args):
    gateway = Gateway(args.gateway, args.ca, args.wait)
    new = gateway.enter(args.name, args.invite)
    try:
        character = gateway.character(args.name)
        realm = gateway.realm(args.realm)
        private = secrets.token_bytes(32)
        admission = gateway.play(character, realm, transport.public_of(private))
        want("the admission leads to the address that the realm signed", admission["address"] == realm["address"])
        session = Session(admission, private, character["name"])
        session.connect()
        session.watch(args.snapshots)
        if args.replay:
            session.replay(alive=True)
        session.check()
        session.leave()
        if args.replay:
            session.replay(alive=False)
    finally:
        # A failure of the play itself says more than one of this.
        failed = sys.exc_info()[0] is not None
        try:
            gateway.leave()
        except Failure:
            if not failed:
                raise
    seen, view, walk = session.seen, session.view, session.walk
    return (
        f"{'registered' if new else 'logged in'}, played {character['name']} in realm {realm['id']}: "
        f"{seen['applied']} snapshots of ticks {session.ticks[0]} to {session.ticks[-1]} "
        f"({seen['deltas']} deltas, {seen['digests']} digests right, {seen['stale']} stale, {seen['unusable']} unusable, "
        f"{sum(session.dropped.values())} dropped), {len(view.near)} near and {len(view.far)} far, "
        f"{session.input_applied} of {session.inputs} inputs applied, "
        f"walked {walk.walked_m:.1f} m in {walk.followed} snapshots, turned aside {walk.turns} times"
        + (", no second session for a used token" if args.replay else "")
    )


def main():
    parser = argparse.ArgumentParser(description="Plays on a running Throng server and checks what it is sent.")
    parser.add_argument("--gateway", required=True, metavar="URL", help="https://HOST:PORT")
    parser.add_argument("--ca", required=True, metavar="FILE", help="the only certificate to believe, PEM")
    parser.add_argument("--name", required=True, help="of the account, and of its first character")
    parser.add_argument("--invite", metavar="CODE", help="what the operator gave, where one registers by invitation")
    parser.add_argument("--snapshots", type=int, default=40, help=f"how many to read, at least {SNAPSHOTS_MIN}")
    parser.add_argument("--realm", type=int, help="which realm; without it the first that is open")
    parser.add_argument("--wait", type=float, default=60, metavar="SECONDS", help="patience with lines, busy answers and shut realms")
    parser.add_argument("--replay", action="store_true", help="also try to use the connect token twice more")
    args = parser.parse_args()
    if args.snapshots < SNAPSHOTS_MIN:
        parser.error(f"--snapshots is at least {SNAPSHOTS_MIN}")
    try:
        print(play(args))
    except Failure as reason:
        print(f"throng_play: {reason}", file=sys.stderr)
        return 1
    except (FileNotFoundError, PermissionError, ssl.SSLError) as error:
        print(f"throng_play: {args.ca}: {error}", file=sys.stderr)
        return 1
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        # What the gateway answers is read without looking at its form first.
        print(f"throng_play: an answer is not as documented: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
