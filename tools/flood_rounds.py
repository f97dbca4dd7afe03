#!/usr/bin/env python3
"""What a flood of invented hellos costs players, told apart from what the flooder's own process costs this machine.

    tools/flood_rounds.py target/release/throng [--clients 1000] [--rate 200000] [--seconds 15] [--rounds 6]
        [--attacker nice] [--train 50]

Clients play beside one and the same `throng attack`, which in turns is aimed at

    realm    the realm's port
    nobody   a socket that is bound and never read: once its buffer is full the kernel drops what comes
    quiet    nothing: no attack at all

An attacker elsewhere takes no processor time here. This one sends `--train` hellos a call, and is scheduled as `--attacker` says:
`nice` is the lowest priority (nice 19), `idle` (SCHED_IDLE) takes what nobody else wants, and `usual` competes like any
other process. Fifty hellos of one call cross loopback as one buffer, so that the kernel's part of receiving them is less than
of hellos from elsewhere; with `--train 1` it is all there, and so is the sender's own: the two bound what a flood costs.

So the realm's own work is the difference between the first two, the attacker's share of the processors that between the
last two. The realm tells each second the slowest of its 20 ticks. Of such maxima the 0.82 quantile is the ticks' own p99
(0.99 to the power of 20 is 0.82); it is given over all rounds of a kind.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time

KINDS = ("realm", "nobody", "quiet")
# The first seconds of a round still hold ticks of the one before, and caches of it.
SETTLE_S = 2
SCHEDULING = {
    "idle": lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)),
    "nice": lambda: os.nice(19),
    "usual": None,
}
PORT, GATEWAY_PORT = 17777, 17780


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Realm:
    """`throng serve`, and what it says each second."""

    def __init__(self, throng, folder, clients):
        settings = {
            "GATEWAY__DATA_DIR": folder,
            "GATEWAY__LISTEN": f"127.0.0.1:{GATEWAY_PORT}",
            "NET__LISTEN": f"127.0.0.1:{PORT}",
            "REALM__PLAYERS_MAX": str(clients),
            "CAPS__ALLOW": "127.0.0.0/8",
        }
        environment = os.environ | {f"THRONG_{key}": value for key, value in settings.items()}
        self.report = os.path.join(folder, "report.json")
        command = [throng, "serve", "--progress", "json", "--report", self.report]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.seconds = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "progress":
                self.seconds.append(event)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        with open(self.report) as file:
            return json.load(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("throng", help="the program")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=200_000, help="hellos a second")
    parser.add_argument("--seconds", type=int, default=15, help="of each round")
    parser.add_argument("--rounds", type=int, default=6, help="of each kind")
    parser.add_argument("--train", type=int, default=50, help="hellos that leave together; 1: singly")
    parser.add_argument("--attacker", choices=SCHEDULING, default="nice", help="how it is scheduled")
    args = parser.parse_args()
    throng = os.path.abspath(args.throng)

    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    aims = {"realm": f"127.0.0.1:{PORT}", "nobody": f"127.0.0.1:{sink.getsockname()[1]}"}
    with tempfile.TemporaryDirectory() as folder:
        folder = os.path.join(folder, "data")
        sessions = f"{folder}.sessions"
        make = ["account", "create", "--count", str(args.clients), "--locked", "--sessions", sessions]
        subprocess.run([throng, *make, "--data-dir", folder], check=True, stdout=subprocess.DEVNULL)
        realm = Realm(throng, folder, args.clients)
        while not realm.seconds:
            time.sleep(0.1)
        duration = len(KINDS) * args.rounds * (args.seconds + SETTLE_S) + 30
        bots = [throng, "bots", "--gateway", f"https://127.0.0.1:{GATEWAY_PORT}", "--sessions", sessions]
        bots += ["--ca", os.path.join(folder, "tls", "cert.pem"), "--seconds", str(duration)]
        players = subprocess.Popen(bots, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while realm.seconds[-1]["clients"] < args.clients:
            time.sleep(0.5)
        time.sleep(5)

        worst = {kind: [] for kind in KINDS}
        cores = {kind: [] for kind in KINDS}
        for number in range(args.rounds):
            for kind in KINDS[number % 3:] + KINDS[: number % 3]:
                attack = None
                if kind in aims:
                    attack = [throng, "attack", "--kind", "hello", "--server", aims[kind], "--rate", str(args.rate)]
                    attack += ["--seconds", str(args.seconds + SETTLE_S), "--train", str(args.train)]
                    attack = subprocess.Popen(attack, stdout=subprocess.PIPE, text=True, preexec_fn=SCHEDULING[args.attacker])
                time.sleep(SETTLE_S)
                begin = len(realm.seconds)
                time.sleep(args.seconds - 0.5)
                seconds = realm.seconds[begin:]
                worst[kind] += [second["tick_ms_max"] for second in seconds]
                cores[kind] += [second["cpu_cores"] for second in seconds]
                told = attack.communicate()[0].split("\n")[0].strip() if attack else ""
                print(f"{kind:7} p99 {quantile([s['tick_ms_max'] for s in seconds], 0.82):6.2f} ms  {told}", flush=True)
        lost = args.clients - min(second["clients"] for second in realm.seconds[-len(KINDS) * args.rounds * args.seconds :])
        players.terminate()
        players.wait()
        report = realm.stop()

    print(f"\n{args.clients} clients, {args.rate} hellos a second in trains of {args.train} ({args.attacker}), {args.rounds} rounds of {args.seconds} s each")
    for kind in KINDS:
        median, cpu = statistics.median(worst[kind]), statistics.mean(cores[kind])
        p99 = quantile(worst[kind], 0.82)
        print(f"{kind:7} tick p99 {p99:6.2f} ms, median second's worst {median:6.2f} ms, {cpu:.2f} cores of the realm")
    p99 = {kind: quantile(worst[kind], 0.82) for kind in KINDS}
    ratios = [("realm", "quiet"), ("realm", "nobody"), ("nobody", "quiet")]
    print("   ".join(f"{a} / {b} {p99[a] / p99[b]:.3f}" for a, b in ratios))
    print(f"clients disconnected: {lost}; ticks late: {report['whole']['ticks_late']}")


if __name__ == "__main__":
    main()
