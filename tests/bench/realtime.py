"""What real time (WebRTC) costs: viewers by WHEP, beside Janus with the same pictures, and a room."""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time

from processes import Box, Process, wait_for

# Straight through: H.264 without B-frames, so that nothing is encoded in the box while it is measured.
CLIP = ["-f", "lavfi", "-i", "testsrc2=size={size}:rate=30:duration=20,noise=alls=20:allf=t"]
COMING_S = 120
COUNTS = (50, 250)
# Nobody else comes to this box.
PUBLISHED = '[access]\npublish = "public"\n[streams.stage]\ninput = { source = "publish" }\n'


def prepare(path, size, rate):
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-y", *(word.format(size=size) for word in CLIP)]
    argv += ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "baseline", "-bf", "0", "-g", "60"]
    argv += ["-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(argv, check=True)


def pinned(core):
    """One core for who is measured and the other for the load, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[core % len(cores)]})


class Crowd(Process):
    """Viewers, there when it is made; `report()` when they have watched."""

    def __init__(self, release, where, count, seconds, counted):
        argv = [str(release / "examples/load"), *map(str, where), counted, str(count)]
        argv += ["--seconds", str(seconds), "--json"]
        self.errors = tempfile.TemporaryFile("w+")
        super().__init__(argv, stdout=subprocess.PIPE, stderr=self.errors, text=True, preexec_fn=pinned(1))
        wait_for(f"{count} viewers", self._are_there, COMING_S)

    def _are_there(self):
        if self.popen.poll() is not None:
            raise SystemExit(f"load ended:\n{self.popen.stdout.read()}{self._said()}")
        return "all are there" in self._said()

    def _said(self):
        self.errors.seek(0)
        return self.errors.read()

    def report(self):
        report = json.loads(self.popen.stdout.read())
        if report["errors"]:
            raise SystemExit(f"{report}\n{self._said()}")
        return report


def measure(release, server, where, count, seconds, counted="--viewers"):
    """Cores and MB of RSS of a server while `count` watch, and what they say."""
    with Crowd(release, where, count, seconds, counted) as crowd:
        before, at = server.cpu_seconds(), time.monotonic()
        time.sleep(seconds - 1)
        cores = (server.cpu_seconds() - before) / (time.monotonic() - at)
        return cores, server.rss_mb(), crowd.report()


class Publisher(Process):
    """Sends a film by WHIP, in real time, until it is stopped."""

    def __init__(self, release, box, film):
        argv = [str(release / "examples/load"), "--whip", box.url("/stage/whip"), "--film", str(film), "--seconds", "600"]
        super().__init__(argv, stdout=subprocess.DEVNULL, preexec_fn=pinned(1))
        box.wait_until_served("/stage/index.m3u8")


def viewers(program, release, folder, quick, goal, info):
    """720p at 2 Mbit/s, published by WHIP, to viewers by WHEP; and from ffmpeg by RTP through Janus."""
    seconds = 10 if quick else 20
    source = folder / "source.mp4"
    prepare(source, "1280x720", "2M")
    ours, theirs = {}, {}
    for count in COUNTS:
        with Box(program, PUBLISHED, open_files=4_096, preexec=pinned(0)) as box, Publisher(release, box, source):
            alone = box.rss_mb()
            where = ["--whep", box.url("/stage/whep")]
            cores, rss, report = measure(release, box, where, count, seconds)
            ours[count] = cores, (rss - alone) * 1_000 / count, report
        with Janus(folder) as janus, janus.source(source):
            alone = janus.rss_mb()
            where = ["--janus", janus.url, "--mountpoint", 1]
            cores, rss, report = measure(release, janus, where, count, seconds)
            theirs[count] = cores, (rss - alone) * 1_000 / count, report
    for count in COUNTS:
        (cores, rss, report), (their_cores, their_rss, their_report) = ours[count], theirs[count]
        at_most = (1, 400) if count == COUNTS[-1] else (None, None)
        yield goal(f"WHEP, {count} viewers: CPU, cores", cores, at_most[0], their_cores, "Janus")
        yield goal(f"WHEP, {count} viewers: RSS a viewer, KB", rss, at_most[1], their_rss, "Janus")
        lost, their_lost = (100 * one["lost"] / one["packets"] for one in (report, their_report))
        yield goal(f"WHEP, {count} viewers: packets lost, %", lost, 0.1, their_lost, "Janus")
    few, many = COUNTS
    a_viewer = (ours[many][0] - ours[few][0]) / (many - few)
    yield info("WHEP: viewers that one core would carry", few + (1 - ours[few][0]) / a_viewer)
    delay = ours[few][2]["packet_delay_ms"]
    yield goal(f"WHEP, {few} viewers: a packet's delay, p50, ms", delay["p50"], 2)
    yield goal(f"WHEP, {few} viewers: a packet's delay, p99, ms", delay["p99"], 10)


def room(program, release, folder, quick, goal, info):
    """Eight people who send 360p and see and hear each other."""
    seconds = 10 if quick else 20
    film = folder / "film.mp4"
    prepare(film, "640x360", "600k")
    with Box(program, "", preexec=pinned(0)) as box:
        alone = box.rss_mb()
        where = ["--room", box.url("/rooms/bench/ws"), "--film", film]
        cores, rss, report = measure(release, box, where, 8, seconds, counted="--people")
    arrived = report["packets_per_s"] / report["packets_per_s_when_all_see_all"]
    if arrived < 0.95:
        raise SystemExit(f"of what they are sent {arrived:.0%} arrives: {report}")
    yield goal("a room of 8 at 360p: CPU, cores", cores, 0.5)
    yield info("a room of 8 at 360p: RSS a person, KB", (rss - alone) * 1_000 / 8)


class Janus(Process):
    """Janus as Debian has it, with one mountpoint of H.264, on ports of its own."""

    def __init__(self, folder):
        port, self.rtp = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
        configuration = pathlib.Path(tempfile.mkdtemp(dir=folder))
        plugins = pathlib.Path(next(pathlib.Path("/usr/lib").glob("*/janus/plugins"))).parent
        # Those without a configuration can crash it on their way out.
        others = lambda kind, wanted: ",".join(
            path.name for path in (plugins / kind).glob("*.so") if path.name != f"libjanus_{wanted}.so"
        )
        files = {
            # No time-out: its sessions are kept by polling, which the load leaves.
            "janus.jcfg": f'general: {{ session_timeout = 0, debug_level = 3, configs_folder = "{configuration}",'
            f' plugins_folder = "{plugins}/plugins", transports_folder = "{plugins}/transports",'
            f' events_folder = "{plugins}/events", loggers_folder = "{plugins}/loggers" }}\n'
            f'plugins: {{ disable = "{others("plugins", "streaming")}" }}\n'
            f'transports: {{ disable = "{others("transports", "websockets")}" }}\n',
            "janus.transport.websockets.jcfg": f'general: {{ ws = true, ws_port = {port}, ws_ip = "127.0.0.1" }}\n',
            "janus.plugin.streaming.jcfg": f'camera: {{ type = "rtp", id = 1, audio = false, video = true,'
            f' videoport = {self.rtp}, videopt = 96, videocodec = "h264",'
            ' videofmtp = "profile-level-id=42e01f;packetization-mode=1" }\n',
        }
        for name, text in files.items():
            (configuration / name).write_text(text)
        self.log = configuration / "log"
        self.port, self.url = port, f"http://127.0.0.1:{port}/"
        with self.log.open("w") as log:
            argv = ["janus", "--configs-folder", str(configuration)]
            super().__init__(argv, stdout=log, stderr=log, preexec_fn=pinned(0))
        wait_for("Janus", self._answers)

    def _answers(self):
        if self.popen.poll() is not None:
            raise SystemExit(f"Janus ended:\n{self.log.read_text()}")
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def source(self, path):
        # Whose seams need no conversion.
        loop = path.with_suffix(".ts")
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(path), "-c", "copy", str(loop)], check=True)
        argv = ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(loop), "-map", "0:v"]
        argv += ["-c", "copy", "-payload_type", "96"]
        return Process([*argv, "-f", "rtp", f"rtp://127.0.0.1:{self.rtp}?pkt_size=1200"], stdout=subprocess.DEVNULL)


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
