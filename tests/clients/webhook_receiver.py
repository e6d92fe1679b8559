"""A webhook's receiver, written from the README alone: refuses the first two requests, takes the others, and
prints each as a line of JSON, with what an HMAC of its own says of the signature.
Arguments: the shared secret; a certificate and its key (PEM) for HTTPS."""

import hashlib
import hmac
import http.server
import json
import ssl
import sys

secret = sys.argv[1].encode()
seen = 0


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global seen
        seen += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
        signed = hmac.compare_digest(expected, self.headers["X-Capturebox-Signature"])
        status = 503 if seen <= 2 else 204
        self.send_response(status)
        self.end_headers()
        event = json.loads(body)
        named = self.headers["X-Capturebox-Event"] == event["event"]
        line = {"status": status, "path": self.path, "signed": signed, "named": named, "event": event}
        print(json.dumps(line), flush=True)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
