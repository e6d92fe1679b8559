"""What serving costs: files against nginx with the same client, and viewers of low-latency HLS."""

import json
import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.parse

from processes import Box, Process, cpu_seconds, fetch, wait_for

# As Debian ships it, without its access log, since ours writes none. No cache of open files: it would
# serve a live playlist up to a minute late.
NGINX = """
daemon off;
master_process on;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
    include /etc/nginx/mime.types;
    types {{ video/mp4 m4s; }}
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    {paths}
    server {{ listen 127.0.0.1:{port}; root {folder}/www; add_header Access-Control-Allow-Origin *; }}
    server {{ listen 127.0.0.1:{copying}; root {folder}/www; sendfile off; output_buffers 1 1m; }}
}}
"""
CONNECTIONS = 8


def load(release, *args):
    argv = [str(release / "examples/load"), *map(str, args), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def nginx(folder):
    """An nginx, and its URLs: one that hands files to the kernel whole, and one that copies them as we do."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        port, copying = one.getsockname()[1], other.getsockname()[1]
    names = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    paths = "\n    ".join(f"{name}_temp_path {folder}/{name};" for name in names)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, copying=copying, paths=paths))
    # As root its worker would otherwise be someone who can't read the folder.
    user = ["-g", "user root;"] if os.getuid() == 0 else []
    server = Process(["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"), *user])
    return server, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{copying}"


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def per_request_us(release, url, requests, pids):
    """CPU a request of the servers `pids`, in µs; whatever else they do is measured before and taken off."""
    used = lambda: sum(cpu_seconds(pid) for pid in pids)
    idle_from, at = used(), time.monotonic()
    time.sleep(1)
    idle = (used() - idle_from) / (time.monotonic() - at)
    before, at = used(), time.monotonic()
    done = load(release, "--get", url, "--connections", CONNECTIONS, "--requests", requests)
    return (used() - before - idle * (time.monotonic() - at)) * 1e6 / done["requests"]


def files(program, release, folder, quick, row, info):
    """The newest segment and the media playlist of a live stream: against nginx with the same bytes in files."""
    # About 200 KB a segment of 2 s.
    source = folder / "source.mp4"
    clip = "testsrc2=size=1280x720:rate=30:duration=20,noise=alls=20:allf=t"
    rate = ["-b:v", "560k", "-minrate", "560k", "-maxrate", "560k", "-bufsize", "560k", "-x264-params", "nal-hrd=cbr"]
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", clip, "-c:v", "libx264"]
    argv += ["-preset", "veryfast", *rate, "-g", "30", "-pix_fmt", "yuv420p", str(source)]
    subprocess.run(argv, check=True)
    stream = (
        f'[streams.camera]\ninput = {{ source = "file", path = "{source}", loop = true }}\n'
        "[streams.camera.hls]\nwindow = 7\nsegment_ms = 2000\n"
    )
    (folder / "www").mkdir()
    rounds = 3 if quick else 8
    with Box(program, stream) as ours:
        ours.wait_until_served("/camera/index.m3u8")
        time.sleep(15)  # until the playlist has its full length
        master = ours.url("/camera/index.m3u8")
        text = fetch(master).decode()
        playlist = urllib.parse.urljoin(master, next(line for line in text.splitlines() if line[:1] not in ("#", "")))
        theirs, their_url, copying_url = nginx(folder)
        with theirs:
            (folder / "www/list.m3u8").write_bytes(fetch(playlist))
            wait_for("nginx", lambda: fetch(f"{their_url}/list.m3u8"))
            workers = children(theirs.pid)
            sums = {"segment": [0, 0], "playlist": [0, 0]}
            copied = 0
            for turn in range(rounds):
                text = fetch(playlist).decode()
                segment = urllib.parse.urljoin(playlist, re.findall(r"^[^#\s].*\.m4s$", text, re.M)[-1])
                body = fetch(segment)
                # A new name each time, for nginx keeps what it knows of a file.
                (folder / f"www/{turn}.m4s").write_bytes(body)
                for what, ours_at, theirs_at, requests in (
                    ("segment", segment, f"{their_url}/{turn}.m4s", 4_000),
                    ("playlist", playlist, f"{their_url}/list.m3u8", 20_000),
                ):
                    sums[what][0] += per_request_us(release, ours_at, requests, [ours.pid])
                    sums[what][1] += per_request_us(release, theirs_at, requests, workers)
                copied += per_request_us(release, f"{copying_url}/{turn}.m4s", 4_000, workers)
    kilobytes = len(body) / 1_000
    our_us, their_us = (total / rounds for total in sums["segment"])
    yield row(f"serving a {kilobytes:.0f} KB segment, CPU µs", our_us, their_us, "nginx", 1.0)
    yield info("  nginx without sendfile, CPU µs", copied / rounds)
    our_us, their_us = (total / rounds for total in sums["playlist"])
    yield row("serving a playlist, CPU µs", our_us, their_us, "nginx", 0.6)


def viewers(program, release, stream, quick, goal, info):
    """CPU and the delay of a part for many viewers with blocking reloads."""
    seconds = 10 if quick else 20
    for count in (100, 300, 1_000):
        with Box(program, stream, open_files=8_192) as box:
            box.wait_until_served("/camera/index.m3u8")
            alone_from, at = box.cpu_seconds(), time.monotonic()
            time.sleep(4)
            alone = (box.cpu_seconds() - alone_from) / (time.monotonic() - at)
            # Half of the time is for the viewers to come; CPU is taken from when all are there.
            argv = [str(release / "examples/load"), "--watch", box.url("/camera/index.m3u8")]
            argv += ["--viewers", str(count), "--seconds", str(seconds), "--json"]
            with Process(argv, stdout=subprocess.PIPE, text=True) as crowd:
                time.sleep(6)
                before, at = box.cpu_seconds(), time.monotonic()
                time.sleep(seconds - 2)
                cores = (box.cpu_seconds() - before) / (time.monotonic() - at)
                report = json.loads(crowd.popen.stdout.read())
        delay = report["part_delay_ms"]
        if report["errors"]:
            raise SystemExit(f"{count} viewers: {report}")
        yield goal(f"{count} viewers: CPU, cores", cores, 1) if count == 1_000 else info(f"{count} viewers: CPU, cores", cores)
        yield info(f"{count} viewers: of it encoding, cores", alone)
        yield info(f"{count} viewers: a part's delay, p50, ms", delay["p50"])
        yield goal(f"{count} viewers: a part's delay, p99, ms", delay["p99"], 50)
