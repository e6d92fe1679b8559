"""Asks the LAN for a host name's IPv4 addresses by multicast DNS (RFC 6762 section 5.1, one-shot query)
and prints them, one a line. Written from the RFCs with the standard library, so that it isn't our code."""

import socket
import struct
import sys
import time

name = sys.argv[1]
question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
query = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + question + struct.pack(">2H", 1, 1)
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(0.2)
found = set()
end = time.monotonic() + 10
asked = 0.0
while time.monotonic() < end and not found:
    if time.monotonic() - asked > 1:
        asked = time.monotonic()
        client.sendto(query, ("224.0.0.251", 5353))
    try:
        answer = client.recv(9000)
    except TimeoutError:
        continue
    # Every record of class IN (with or without the cache-flush bit), type A, four bytes long.
    for at in range(12, len(answer) - 13):
        kind, cls, _, length = struct.unpack(">HHIH", answer[at : at + 10])
        if kind == 1 and cls & 0x7FFF == 1 and length == 4:
            found.add(socket.inet_ntoa(answer[at + 10 : at + 14]))
print("\n".join(sorted(found)))
