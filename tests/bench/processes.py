"""Whole processes, started, measured and stopped by their id. Linux only; standard library only."""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import tempfile
import time
import urllib.request

PATIENCE_S = 20


class Process:
    """A program and what it costs. As a context manager it ends with the block."""

    def __init__(self, argv, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        self.started = time.monotonic()
        self.popen = subprocess.Popen(argv, **kwargs)
        self.pid = self.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def cpu_seconds(self):
        """User and system time of all its living threads so far; not that of its children."""
        return cpu_seconds(self.pid)

    def peak_rss_mb(self):
        return self._status_mb("VmHWM")

    def rss_mb(self):
        return self._status_mb("VmRSS")

    def _status_mb(self, name):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024

    def stop(self):
        """Asks it to end, and returns its user and system seconds from start to end."""
        if self.popen.returncode is None:
            self.popen.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        if self.popen.returncode is not None:
            return 0.0
        _, status, usage = os.wait4(self.pid, 0)
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime


def cpu_seconds(pid):
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


class Box(Process):
    """capturebox on a configuration of its own and a free port."""

    def __init__(self, program, streams, open_files=None, preexec=None):
        self.folder = tempfile.TemporaryDirectory(prefix="capturebox-bench-")
        folder = pathlib.Path(self.folder.name)
        settings = f'state_dir = "{folder}/state"\n[http]\nlisten = "127.0.0.1:0"\nlisten_tls = "off"\n'
        settings += '[webrtc]\nlisten = "127.0.0.1:0"\n'
        (folder / "capturebox.toml").write_text(settings + streams)
        self.log = folder / "log"

        def limits():
            if preexec:
                preexec()
            if open_files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))

        with self.log.open("w") as log:
            argv = [program, "run", "--config", str(folder / "capturebox.toml")]
            super().__init__(argv, stdout=log, stderr=log, preexec_fn=limits)
        self.address = wait_for("its address", self._address)

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()

    def _address(self):
        if self.popen.poll() is not None:
            raise SystemExit(f"capturebox ended:\n{self.log.read_text()}")
        found = re.search(r"listening on http://([0-9.:]+)", self.log.read_text())
        return found and found[1]

    def url(self, path):
        return f"http://{self.address}{path}"

    def wait_until_served(self, path):
        wait_for(path, lambda: fetch(self.url(path)))

    def stream(self):
        """What the API says of the first stream."""
        return json.loads(fetch(self.url("/api/v1/streams")))["streams"][0]


def fetch(url):
    """The body, or None when there is none yet."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.read()
    except OSError:
        return None


def wait_for(what, look, patience_s=PATIENCE_S):
    give_up = time.monotonic() + patience_s
    while time.monotonic() < give_up:
        if found := look():
            return found
        time.sleep(0.02)
    raise SystemExit(f"waited {patience_s} s in vain for {what}")
