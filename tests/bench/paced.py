"""A camera for scripts/bench: writes the pictures of a raw file to standard output at their rate, over
and over: paced.py FILE BYTES_A_PICTURE FPS"""

import os
import sys
import time

path, size, fps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(path, "rb") as file:
    data = memoryview(file.read())
pictures = [data[start : start + size] for start in range(0, len(data) - size + 1, size)]
start = time.monotonic()
index = 0
while True:
    time.sleep(max(0.0, start + index / fps - time.monotonic()))
    rest = pictures[index % len(pictures)]
    while rest:
        rest = rest[os.write(1, rest) :]
    index += 1
