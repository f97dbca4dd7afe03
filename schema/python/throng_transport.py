#!/usr/bin/env python3
"""An independent client side of Throng's datagrams, written from PROTOCOL.md: connect tokens, keys, sealing, reliable
messages.

As a program it reads the golden handshake, opens the token, derives every key, opens and seals every datagram, then
reads the golden frames and plays one end of a channel, prints how much it checked, and exits with 1 if anything differs. As a module it is what a client needs below the
messages.

    pip install flatbuffers==25.12.19 cryptography
    python3 schema/python/throng_transport.py [VECTORS_FOLDER]
"""

import hashlib
import hmac
import json
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

NET_VERSION = 2
DATAGRAM_BYTES_MAX = 1200
HEADER_BYTES = 16
SEAL_BYTES = 16
TOKEN_BYTES = 328
TOKEN_HEADER_BYTES = 56
HELLO_PAYLOAD_BYTES_MAX = 256
GENERATION_BITS = 20
WINDOW_PACKETS = 1024
SEQUENCE_AHEAD_MAX = 1 << 16
SEQUENCE_MAX = (1 << 32) - 1
FRAMED = 0x80  # in the kind of a DATA with a frame
FRAME_BYTES_MAX = 528  # around one message of the greatest length
FRAME_BYTES_SHARE = 290
MESSAGE_BYTES_MAX = 512
RETRY_MS, RETRY_MS_MIN, RETRY_MS_MAX = 250, 100, 1000

HELLO, CHALLENGE, ACCEPT, REFUSED, DATA, DISCONNECT, CONTROL = range(1, 8)
CONFIRM, PATH_CHALLENGE, PATH_RESPONSE = range(3)


class Dropped(Exception):
    """A datagram that is dropped in silence, and why."""


# ---------------------------------------------------------------- keys


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def expand(prk, info):
    """HKDF-Expand of RFC 5869, of which one block is all that is wanted."""
    return mac(prk, info + b"\x01")


def hkdf(salt, secret, info):
    return expand(mac(salt, secret), info)


def public_of(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def shared_of(private, public):
    """Raises ValueError for a public key that gives no secret."""
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def protocol_hash(schema_version):
    return hashlib.sha256(b"throng net 2" + struct.pack("<I", schema_version)).digest()[:8]


def realm_key(root, key_id, realm_id):
    return hkdf(b"", root, b"throng realm key 1" + struct.pack("<HI", key_id, realm_id))


def siphash(key, message):
    """SipHash-2-4 with 64 bits (Aumasson and Bernstein), as bytes."""
    mask = (1 << 64) - 1
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rotated(x, bits):
        return (x << bits | x >> (64 - bits)) & mask

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & mask
            v[2] = (v[2] + v[3]) & mask
            v[1], v[3] = rotated(v[1], 13) ^ v[0], rotated(v[3], 16) ^ v[2]
            v[0] = rotated(v[0], 32)
            v[2] = (v[2] + v[1]) & mask
            v[0] = (v[0] + v[3]) & mask
            v[1], v[3] = rotated(v[1], 17) ^ v[2], rotated(v[3], 21) ^ v[0]
            v[2] = rotated(v[2], 32)

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


class Direction:
    """The keys of one direction."""

    def __init__(self, secret):
        self.generation, self.secret = 0, secret
        self.keys = {0: expand(secret, b"key")}

    def key(self, generation):
        while self.generation < generation:
            self.secret = expand(self.secret, b"next")
            self.generation += 1
            self.keys[self.generation] = expand(self.secret, b"key")
        return self.keys[generation]

    def gcm(self, sequence):
        return AESGCM(self.key(sequence >> GENERATION_BITS)), bytes(4) + struct.pack("<Q", sequence)

    def seal(self, header, sequence, body):
        gcm, nonce = self.gcm(sequence)
        return header + gcm.encrypt(nonce, body, header)

    def open(self, datagram, sequence):
        gcm, nonce = self.gcm(sequence)
        try:
            return gcm.decrypt(nonce, datagram[HEADER_BYTES:], datagram[:HEADER_BYTES])
        except InvalidTag:
            raise Dropped("it does not open") from None


class Keys:
    """All keys of a session, as either side finds them."""

    def __init__(self, private, peer_public, token_secret, token, salt, server_public):
        self.shared = shared_of(private, peer_public)
        self.transcript = hashlib.sha256(
            b"throng session 1" + token + struct.pack("<Q", salt) + server_public
        ).digest()
        self.prk = mac(self.transcript, self.shared + token_secret)
        self.accept = expand(self.prk, b"accept")
        self.client = Direction(expand(self.prk, b"client"))
        self.server = Direction(expand(self.prk, b"server"))


# ---------------------------------------------------------------- tokens

BODY = struct.Struct("<16sQQQQ32s32sHHIB47s16s72s")
BODY_FIELDS = (
    "token_id", "account", "character", "session_epoch", "issued_at_ms", "secret", "client_public",
    "idle_timeout_s", "rate_class", "flags", "name", "user_data",
)  # fmt: skip


def guard(key, header):
    """What stands at 12..16 of a token."""
    return siphash(hkdf(b"", key, b"throng token guard 1")[:16], header[:12] + header[16:TOKEN_HEADER_BYTES])[:4]


def open_token(token, key):
    """The fields of a token, as a realm with this key reads them. Clients never do this: they hold no such key."""
    header = token[:TOKEN_HEADER_BYTES]
    magic, version, cipher, _, _, guarded, not_after_ms, _, salt = struct.unpack("<4sBBHI4sQ8s24s", header)
    if (magic, version, cipher) != (b"THRT", 1, 1):
        raise Dropped("no token")
    if guarded != guard(key, header):
        raise Dropped("an invented token")
    try:
        body = AESGCM(hkdf(salt, key, b"throng token 1")).decrypt(
            bytes(12), token[TOKEN_HEADER_BYTES:], header
        )
    except InvalidTag:
        raise Dropped("a forged token") from None
    *values, name_len, name, user_data, zeros = BODY.unpack(body)
    if any(zeros) or any(name[name_len:]) or not 1 <= name_len <= 47:
        raise Dropped("a token that no gateway makes")
    fields = dict(zip(BODY_FIELDS, (*values, name[:name_len].decode("utf-8"), user_data)))
    if not 0 <= not_after_ms - fields["issued_at_ms"] <= 45_000:
        raise Dropped("a token with a life that none has")
    return fields | {"not_after_ms": not_after_ms}


def mint_token(fields, key_id, realm_id, key, hash_, salt):
    before = b"THRT\x01\x01" + struct.pack("<HI", key_id, realm_id)
    after = struct.pack("<Q8s24s", fields["not_after_ms"], hash_, salt)
    header = before + guard(key, before + bytes(4) + after) + after
    name = fields["name"].encode("utf-8")
    values = [fields[f] for f in BODY_FIELDS[:10]]
    body = BODY.pack(*values, len(name), name, fields["user_data"], bytes(72))
    return header + AESGCM(hkdf(salt, key, b"throng token 1")).encrypt(bytes(12), body, header)


# ---------------------------------------------------------------- a client


class Window:
    """Which sequences have been received."""

    def __init__(self):
        self.newest, self.seen = 0, set()

    def check(self, sequence):
        if sequence == 0 or self.newest - sequence >= WINDOW_PACKETS:
            raise Dropped("too old")
        if sequence - self.newest > SEQUENCE_AHEAD_MAX:
            raise Dropped("too far ahead")
        if sequence in self.seen:
            raise Dropped("received before")

    def mark(self, sequence):
        self.newest = max(self.newest, sequence)
        self.seen.add(sequence)
        self.seen = {s for s in self.seen if self.newest - s < WINDOW_PACKETS}

    def acks(self):
        """The ack bits and the acknowledgement of the next header."""
        return sum(1 << i for i in range(16) if self.newest - 1 - i in self.seen), self.newest


class Client:
    """The client's side of one session: bytes in, bytes out. Who uses it has the socket and the clock."""

    def __init__(self, token, token_secret, private, salt, payload):
        self.token, self.token_secret, self.private = token, token_secret, private
        self.salt, self.payload = salt, payload
        self.cookie = bytes(20)
        self.keys = self.connection_id = self.refused = self.closed = None
        self.sent, self.window = 0, Window()

    def hello(self):
        head = struct.pack("<BBxxQ", HELLO, NET_VERSION, self.salt) + self.cookie + self.token
        out = head + struct.pack("<H", len(self.payload)) + self.payload
        return out + bytes(DATAGRAM_BYTES_MAX - len(out))

    def seal(self, type_, kind, body=b""):
        """The next datagram; None when the direction is over."""
        if self.sent == SEQUENCE_MAX:
            return None
        self.sent += 1
        bits, ack = self.window.acks()
        header = struct.pack("<BBHIII", type_, kind, bits, self.connection_id, self.sent, ack)
        return self.keys.client.seal(header, self.sent, body)

    def receive(self, data):
        """What a datagram was, as (name, kind, body), and a datagram to answer with or None."""
        if not data:
            raise Dropped("empty")
        if data[0] in (CHALLENGE, ACCEPT, REFUSED):
            return self.answered(data)
        return self.opened(data)

    def answered(self, data):
        length = {CHALLENGE: 32, ACCEPT: 64, REFUSED: 32}[data[0]]
        if len(data) != length or data[1] != NET_VERSION or struct.unpack_from("<Q", data, 4)[0] != self.salt:
            raise Dropped("not an answer to this attempt")
        if self.keys is not None or self.refused is not None:
            raise Dropped("nothing is waited for")
        if data[0] == CHALLENGE:
            self.cookie = data[12:32]
            return ("challenge", 0, b""), self.hello()
        if data[0] == REFUSED:
            key = hkdf(struct.pack("<Q", self.salt), self.token_secret, b"throng refused 1")
            if not hmac.compare_digest(mac(key, data[:16])[:16], data[16:]):
                raise Dropped("a forged refusal")
            self.refused = (data[2], struct.unpack_from("<I", data, 12)[0])
            return ("refused", data[2], data[12:16]), None
        try:
            keys = Keys(self.private, data[12:44], self.token_secret, self.token, self.salt, data[12:44])
        except ValueError:
            raise Dropped("a public key that gives no secret") from None
        if not hmac.compare_digest(mac(keys.accept, data[:48])[:16], data[48:]):
            raise Dropped("a forged accept")
        self.keys, (self.connection_id,) = keys, struct.unpack_from("<I", data, 44)
        return ("accept", 0, b""), self.seal(CONTROL, CONFIRM)

    def opened(self, data):
        if self.keys is None or self.closed is not None or len(data) < HEADER_BYTES + SEAL_BYTES:
            raise Dropped("no session, or too short")
        type_, kind, _, connection_id, sequence, ack = struct.unpack_from("<BBHIII", data)
        if type_ not in (DATA, DISCONNECT, CONTROL) or connection_id != self.connection_id:
            raise Dropped("not of this session")
        self.window.check(sequence)
        body = self.keys.server.open(data, sequence)
        self.window.mark(sequence)
        if type_ == CONTROL:
            if kind == PATH_CHALLENGE and len(body) == 8:
                return ("control", kind, body), self.seal(CONTROL, PATH_RESPONSE, body)
            return ("control", kind, body), None
        if type_ == DISCONNECT:
            self.closed = kind
        return ("data" if type_ == DATA else "disconnect", kind, body), None


# ---------------------------------------------------------------- reliable messages


def read_frame(payload):
    """Acknowledgement, first number, messages, and what lies behind the frame."""
    if len(payload) < 8:
        raise Dropped("no frame")
    size, count, ack = struct.unpack_from("<HHI", payload)
    if size > len(payload) or size < (12 if count else 8):
        raise Dropped("a frame of another length")
    first, at, messages = 1, 8, []
    if count:
        (first,), at = struct.unpack_from("<I", payload, 8), 12
        if first == 0 or first + count > SEQUENCE_MAX:
            raise Dropped("message numbers that nobody has")
    for _ in range(count):
        if at + 2 > size:
            raise Dropped("a message outside its frame")
        (length,) = struct.unpack_from("<H", payload, at)
        at += 2 + length
        if not 1 <= length <= MESSAGE_BYTES_MAX or at > size:
            raise Dropped("a message of a wrong length")
        messages.append(payload[at - length : at])
    if size != (at + 3) // 4 * 4:
        raise Dropped("a frame of another length")
    return ack, first, messages, payload[size:]


def write_frame(ack, first, messages):
    body = b"".join(struct.pack("<H", len(message)) + message for message in messages)
    if messages:
        body = struct.pack("<I", first) + body
    body += bytes(-len(body) % 4)
    return struct.pack("<HHI", 8 + len(body), len(messages), ack) + body


class Channel:
    """One end of a session's reliable messages."""

    def __init__(self):
        self.first, self.queue = 1, []  # number of the oldest message not acknowledged; it and those behind it
        self.sent = self.current = 0  # of the queue: sent at all, and since the last going back
        self.retry_at_ms, self.wait_ms = None, None
        self.delivered, self.owes_ack = 0, False

    def push(self, message):
        self.queue.append(message)

    def read(self, payload):
        """The messages that are next in order, and what lies behind the frame."""
        ack, first, messages, behind = read_frame(payload)
        if ack >= self.first + self.sent:
            raise Dropped("an acknowledgement of what was not sent")
        acked = max(ack + 1 - self.first, 0)
        if acked:
            self.first, self.queue = self.first + acked, self.queue[acked:]
            self.sent, self.current = self.sent - acked, max(self.current - acked, 0)
            self.retry_at_ms = None
        self.owes_ack = self.owes_ack or bool(messages)
        new = messages[self.delivered + 1 - first :] if first <= self.delivered + 1 else []
        self.delivered += len(new)
        return new, behind

    def write(self, now_ms, rtt_ms=None):
        """The frame that is due; empty for none."""
        if self.sent and self.retry_at_ms is not None and now_ms >= self.retry_at_ms:
            self.current, self.wait_ms = 0, min(self.wait_ms * 2, RETRY_MS_MAX)
            self.retry_at_ms = now_ms + self.wait_ms
        count = 0
        frame = write_frame(self.delivered, 0, [])
        while self.current + count < len(self.queue):
            due = self.queue[self.current : self.current + count + 1]
            longer = write_frame(self.delivered, self.first + self.current, due)
            if len(longer) > (FRAME_BYTES_SHARE if count else FRAME_BYTES_MAX):
                break
            count, frame = count + 1, longer
        if not count and not self.owes_ack:
            frame = b""
        self.current, self.owes_ack = self.current + count, False
        self.sent = max(self.sent, self.current)
        if self.sent and self.retry_at_ms is None:
            in_time_ms = RETRY_MS if rtt_ms is None else 2 * rtt_ms
            self.wait_ms = min(max(in_time_ms, RETRY_MS_MIN), RETRY_MS_MAX)
            self.retry_at_ms = now_ms + self.wait_ms
        return frame


# ---------------------------------------------------------------- the vectors


def raw(value):
    return bytes.fromhex(value)


def check_token(vectors, c):
    root, realm, token = vectors["root"], vectors["realm"], vectors["token"]
    key = realm_key(raw(root["key"]), root["key_id"], realm["id"])
    c.equal("realm key", key.hex(), realm["key"])
    c.equal("protocol hash", protocol_hash(2).hex(), vectors["protocol_hash"])
    c.equal("guard key", hkdf(b"", key, b"throng token guard 1")[:16].hex(), token["guard_key"])
    c.equal("token key", hkdf(raw(token["salt"]), key, b"throng token 1").hex(), token["key"])
    fields = open_token(raw(token["bytes"]), key)
    for name, value in fields.items():
        c.equal(f"token: {name}", value.hex() if isinstance(value, bytes) else value, token[name])
    minted = mint_token(fields, root["key_id"], realm["id"], key, raw(vectors["protocol_hash"]), raw(token["salt"]))
    c.equal("token made again", minted.hex(), token["bytes"])
    for place in range(TOKEN_BYTES):
        forged = bytearray(minted)
        forged[place] ^= 1
        try:
            open_token(bytes(forged), key)
            c.equal(f"token with byte {place} changed", "opened", "dropped")
        except Dropped:
            c.checked += 1
    return fields


def check_keys(vectors, fields, c):
    known = vectors["keys"]
    token, salt, server_public = raw(vectors["token"]["bytes"]), int(known["salt"]), raw(known["server_public"])
    c.equal("client public", public_of(raw(known["client_private"])), fields["client_public"])
    c.equal("server public", public_of(raw(known["server_private"])), server_public)
    sides = [
        Keys(raw(known["client_private"]), server_public, fields["secret"], token, salt, server_public),
        Keys(raw(known["server_private"]), fields["client_public"], fields["secret"], token, salt, server_public),
    ]
    for keys in sides:
        for name in ("shared", "transcript", "prk", "accept"):
            c.equal(name, getattr(keys, name).hex(), known[name])
    keys = sides[0]
    for case in vectors["generations"]:
        direction = keys.client if case["from"] == "client" else keys.server
        what = f"generation {case['generation']} of the {case['from']}"
        c.equal(f"{what}: key", direction.key(case["generation"]).hex(), case["key"])
        c.equal(f"{what}: secret", direction.secret.hex(), case["secret"])
    return keys


def check_datagrams(vectors, fields, keys, c):
    """Plays a client through the vectors, then opens and seals each sealed datagram by itself."""
    known, steps = vectors["keys"], vectors["datagrams"]
    payload_at = 32 + TOKEN_BYTES + 2
    first = raw(steps[0]["datagram"])
    payload = first[payload_at : payload_at + struct.unpack_from("<H", first, payload_at - 2)[0]]

    def new_client():
        token = raw(vectors["token"]["bytes"])
        return Client(token, fields["secret"], raw(known["client_private"]), int(known["salt"]), payload)

    client = new_client()
    hello, challenge, proven, accept, confirm = (raw(step["datagram"]) for step in steps[:5])
    c.equal(steps[0]["name"], client.hello().hex(), hello.hex())
    c.equal(steps[2]["name"], client.receive(challenge)[1].hex(), proven.hex())
    c.equal(steps[4]["name"], client.receive(accept)[1].hex(), confirm.hex())
    c.equal("connection id", client.connection_id, vectors["connection_id"])
    c.equal(steps[5]["name"], client.seal(DATA, 1, raw(steps[5]["body"])).hex(), steps[5]["datagram"])

    client, refused = new_client(), raw(steps[-1]["datagram"])
    client.receive(refused)
    c.equal(steps[-1]["name"], client.refused, (1, 10000))

    for forged_of in (challenge, accept, refused):
        for place in range(len(forged_of)):
            forged = bytearray(forged_of)
            forged[place] ^= 0x80
            client = new_client()
            try:
                client.receive(bytes(forged))
                # Of a challenge only type, version and salt are looked at; a wrong cookie comes back to the server.
                c.equal(f"{forged[0]} with byte {place} changed", place < 2 or 4 <= place < 12, False)
                c.equal(f"{forged[0]} with byte {place} changed", client.cookie != bytes(20), True)
            except Dropped:
                c.checked += 1

    types = {}
    for step in steps:
        data = raw(step["datagram"])
        types[data[0]] = types.get(data[0], 0) + 1
        if "body" not in step:
            continue
        direction = keys.client if step["from"] == "client" else keys.server
        header, body, sequence = raw(step["header"]), raw(step["body"]), step["sequence"]
        c.equal(f"{step['name']}: sequence", struct.unpack_from("<I", header, 8)[0], sequence)
        c.equal(f"{step['name']}: sealed", direction.seal(header, sequence, body).hex(), data.hex())
        c.equal(f"{step['name']}: opened", direction.open(data, sequence).hex(), body.hex())
        for place in range(len(data)):
            forged = bytearray(data)
            forged[place] ^= 1
            try:
                direction.open(bytes(forged), sequence)
                c.equal(f"{step['name']} with byte {place} changed", "opened", "dropped")
            except Dropped:
                c.checked += 1
    c.equal("types in the vectors", sorted(types), [1, 2, 3, 4, 5, 6, 7])
    return sum(types.values())


def check_channel(vectors, c):
    for case in vectors["frames"]:
        payload = raw(case["payload"])
        try:
            ack, first, messages, behind = read_frame(payload)
        except Dropped as reason:
            c.equal(f"frame {payload[:16].hex()}: {reason}", "refused" in case, True)
            continue
        said = {"payload": case["payload"], "ack": ack, "first": first, "behind": behind.hex()}
        c.equal(f"frame {payload[:16].hex()}", said | {"messages": [m.hex() for m in messages]}, case)
        c.equal("the same written", read_frame(write_frame(ack, first, messages)), (ack, first, messages, b""))
    channel = Channel()
    for number, step in enumerate(vectors["steps"]):
        what = f"step {number} at {step['at_ms']} ms"
        for message in step["push"]:
            channel.push(raw(message))
        if "receive" in step:
            try:
                delivered = [message.hex() for message in channel.read(raw(step["receive"]))[0]]
                c.equal(f"{what}: delivered", delivered, step.get("delivered"))
            except Dropped as reason:
                c.equal(f"{what}: {reason}", step.get("refused"), True)
        c.equal(f"{what}: frame", channel.write(step["at_ms"]).hex(), step["frame"])


def main():
    from throng_decode import Checker

    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "vectors"
    c = Checker()
    with open(folder / "handshake.json", encoding="utf-8") as file:
        vectors = json.load(file)
    try:
        fields = check_token(vectors, c)
        keys = check_keys(vectors, fields, c)
        count = check_datagrams(vectors, fields, keys, c)
        with open(folder / "channel.json", encoding="utf-8") as file:
            channel = json.load(file)
        check_channel(channel, c)
        print(f"channel.json: {len(channel['frames'])} frames, {len(channel['steps'])} steps")
        print(f"handshake.json: a token, {len(vectors['generations'])} generations of keys, {count} datagrams")
    except Dropped as reason:
        c.equal("the vectors", f"dropped: {reason}", "read")
    print(f"{c.checked} checks, {c.wrong} mismatches")
    return 1 if c.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
