"""Measures whole processes side by side and prints a table with the ratios: scripts/bench runs it.

    bench.py [--quick] [NAME...]     NAME: packaging encode serving viewers realtime room memory latency
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import realtime
import serving
from processes import Box, Process

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "target/release"
PROGRAM = str(RELEASE / "capturebox")
SIZE, FPS = (1280, 720), 30
TEST_STREAM = '[streams.camera]\ninput = { source = "test", size = "1280x720", fps = 30 }\n'


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, args)], check=True)


def packaging(folder, quick):
    """A file in real time to a live playlist, without decoding: against ffmpeg's copy."""
    seconds = 20 if quick else 60
    source = folder / "source.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate=30:duration={seconds}"),
        *("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}"),
        *("-c:v", "libx264", "-preset", "veryfast", "-b:v", "3M", "-g", "30", "-pix_fmt", "yuv420p"),
        *("-c:a", "aac", "-b:a", "128k", "-ac", "2", source),
    )
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-re", "-i", str(source), "-c", "copy", "-f", "hls"]
    argv += ["-hls_segment_type", "fmp4", "-hls_time", "2", "-hls_list_size", "7"]
    argv += ["-hls_flags", "delete_segments", str(folder / "theirs.m3u8")]
    stream = f'[streams.camera]\ninput = {{ source = "file", path = "{source}", loop = true }}\n'
    with Process(argv) as theirs, Box(PROGRAM, stream) as ours:
        time.sleep(max(0, ours.started + seconds - time.monotonic()))
        our_cpu = ours.stop()
        their_cpu = theirs.wait()
    minute = 60 / seconds
    yield row("packaging a 720p30 media minute, CPU s", our_cpu * minute, their_cpu * minute, "ffmpeg", 0.25)


def encode(folder, quick):
    """Raw video through the whole program: against the library alone on the same pictures."""
    seconds = 8 if quick else 30
    frames = folder / "frames.i420"
    clip = f"mandelbrot=size=1280x720:rate={FPS}"
    ffmpeg("-f", "lavfi", "-i", clip, "-frames:v", 90, "-pix_fmt", "yuv420p", "-f", "rawvideo", frames)
    picture_bytes = SIZE[0] * SIZE[1] * 3 // 2
    command = json.dumps(["python3", str(ROOT / "tests/bench/paced.py"), str(frames), str(picture_bytes), str(FPS)])
    stream = (
        f'[streams.camera]\nvideo = {{ source = "command", command = {command}, format = "i420",'
        f' size = "1280x720", fps = {FPS} }}\n[streams.camera.encode]\nvideo_bitrate = "3M"\n'
    )
    warm_up = 3
    alone = [str(RELEASE / "examples/openh264_alone"), str(frames), *map(str, SIZE), str(FPS), str(seconds + 2 * warm_up)]
    with Box(PROGRAM, stream) as ours:
        ours.wait_until_served("/camera/index.m3u8")
        with Process(alone, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as theirs:
            time.sleep(warm_up)
            before = ours.stream()["units"], ours.cpu_seconds(), theirs.cpu_seconds(), time.monotonic()
            time.sleep(seconds)
            after = ours.stream()["units"], ours.cpu_seconds(), theirs.cpu_seconds(), time.monotonic()
    pictures, our_cpu, their_cpu, wall = (b - a for a, b in zip(before, after))
    if abs(pictures / wall / FPS - 1) > 0.05:
        raise SystemExit(f"{pictures} pictures in {wall:.1f} s: the machine is too busy to measure on")
    per_frame = 1_000 / pictures, 1_000 / (wall * FPS)
    yield row("encoding 720p30, CPU ms a picture", our_cpu * per_frame[0], their_cpu * per_frame[1], "openh264", 1.15)


def memory(_folder, quick):
    with Box(PROGRAM, TEST_STREAM) as box:
        box.wait_until_served("/camera/index.m3u8")
        time.sleep(10 if quick else 40)
        yield goal("peak RSS, one 720p30 encoded stream, MB", box.peak_rss_mb(), 40)


def latency(_folder, quick):
    seconds = 10 if quick else 60
    with Box(PROGRAM, TEST_STREAM) as box:
        box.wait_until_served("/camera/index.m3u8")
        time.sleep(seconds / 2)
        hls = box.stream()["hls"]
        p50, p99 = hls["part_delay_p50_us"] / 1_000, hls["part_delay_p99_us"] / 1_000
        # 200 ms of part, 5 ms of ours; encoding a picture is about 3 ms here.
        yield goal("capture to part, p50, ms", p50, 208)
        yield goal("capture to part, p99, ms", p99, 208)
        player = ROOT / "tests/clients/browser/play.mjs"
        argv = ["node", str(player), box.url("/camera/?player=hls"), str(seconds)]
        played = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
        glass = played["latency_ms"]
        yield goal("glass to glass in Chromium, p50, ms", glass["p50"], 400)
        yield info("glass to glass in Chromium, p99, ms", glass["p99"])
        yield goal(f"stalls in {seconds} s of Chromium", played["stalls"], 0)


def row(what, ours, theirs, who, most):
    ratio = ours / theirs
    return what, f"{ours:.2f}", f"{theirs:.2f} {who}", f"{ratio:.2f}", f"≤ {most}", ratio <= most


def goal(what, value, most=None, theirs=None, who=""):
    """`most`: the goal, if there is one; `theirs`: what `who` did in the same run."""
    beside = ("", "") if theirs is None else (f"{theirs:.3g} {who}", f"{value / theirs:.2f}" if theirs else "")
    return what, f"{value:.4g}", *beside, f"≤ {most}" if most else "", most is None or value <= most


def info(what, value):
    return what, f"{value:.4g}", "", "", "", True


BENCHMARKS = {
    "packaging": packaging,
    "encode": encode,
    "serving": lambda folder, quick: serving.files(PROGRAM, RELEASE, folder, quick, row, info),
    "viewers": lambda folder, quick: serving.viewers(PROGRAM, RELEASE, TEST_STREAM, quick, goal, info),
    "realtime": lambda folder, quick: realtime.viewers(PROGRAM, RELEASE, folder, quick, goal, info),
    "room": lambda folder, quick: realtime.room(PROGRAM, RELEASE, folder, quick, goal, info),
    "memory": memory,
    "latency": latency,
}


def main():
    quick = "--quick" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--quick"] or list(BENCHMARKS)
    rows = []
    for name in names:
        if name not in BENCHMARKS:
            raise SystemExit(f"unknown benchmark {name}: {' '.join(BENCHMARKS)}")
        print(f"measuring {name} …", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="capturebox-bench-") as folder:
            rows += BENCHMARKS[name](pathlib.Path(folder), quick)
    print(f"{'':<44} {'capturebox':>10}  {'':<16} {'ratio':>6}  {'goal':<8}")
    for what, ours, theirs, ratio, wanted, met in rows:
        print(f"{what:<44} {ours:>10}  {theirs:<16} {ratio:>6}  {wanted:<8} {'' if met else 'MISSED'}".rstrip())


main()
