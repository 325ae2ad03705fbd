"""The part of Google Cloud Storage's XML API that an export needs, in memory.

gcp-storage-emulator of PyPI will not do: in that API, it puts an object whatever
x-goog-if-generation-match says, sends no ETag and has no list. Covered: PUT of a bucket; PUT of an object, with that
header; GET and DELETE of an object; a list with prefix and delimiter, in pages. Not
covered: signatures and tokens that expire, uploads in parts. Usage: gcs_server.py PORT TOKEN
"""

import email.utils
import hashlib
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

PORT, TOKEN = int(sys.argv[1]), sys.argv[2]
# The real one lists 1000.
PAGE_SIZE = 100

lock = threading.Lock()
# For each bucket, the generation and the bytes of each object.
buckets = {}
generations = iter(range(1700000000000000, 1800000000000000))


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    # A response is sent at once.
    wbufsize = -1

    def do_PUT(self):
        body = self.rfile.read(int(self.headers['Content-Length'] or 0))
        with lock:
            bucket, name, _ = self.place()
            if not name:
                buckets.setdefault(bucket, {})
                return self.respond(200)
            if not self.may_go_on(bucket):
                return None
            generation, _ = buckets[bucket].get(name, (0, b''))
            expected = self.headers['x-goog-if-generation-match']
            if expected is not None and expected != str(generation):
                return self.fail(412, 'PreconditionFailed')
            buckets[bucket][name] = (next(generations), body)
            return self.respond(200, stored=buckets[bucket][name])

    def do_GET(self):
        with lock:
            bucket, name, query = self.place()
            if not self.may_go_on(bucket):
                return None
            if not name:
                return self.respond(200, listed(buckets[bucket], query).encode())
            if name not in buckets[bucket]:
                return self.fail(404, 'NoSuchKey')
            return self.respond(200, buckets[bucket][name][1], buckets[bucket][name])

    def do_DELETE(self):
        with lock:
            bucket, name, _ = self.place()
            if not self.may_go_on(bucket):
                return None
            if buckets[bucket].pop(name, None) is None:
                return self.fail(404, 'NoSuchKey')
            return self.respond(204)

    def place(self):
        path, _, query = self.path.partition('?')
        bucket, _, name = path[1:].partition('/')
        bucket, name = urllib.parse.unquote(bucket), urllib.parse.unquote(name)
        return bucket, name, dict(urllib.parse.parse_qsl(query))

    def may_go_on(self, bucket):
        if self.headers['Authorization'] != f'Bearer {TOKEN}':
            return self.fail(401, 'AuthenticationRequired')
        return True if bucket in buckets else self.fail(404, 'NoSuchBucket')

    def fail(self, status, code):
        xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message></Error>"
        self.respond(status, xml.encode())

    def respond(self, status, body=b'', stored=None):
        self.send_response(status)
        if stored:
            generation, content = stored
            self.send_header('ETag', f'"{hashlib.md5(content).hexdigest()}"')
            self.send_header('x-goog-generation', str(generation))
            self.send_header('Last-Modified', email.utils.formatdate(usegmt=True))
        if self.close_connection:
            self.send_header('Connection', 'close')
        if status != 204:
            self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def listed(objects, query):
    """A page of the list of a bucket."""
    prefix, delimiter = query.get('prefix', ''), query.get('delimiter')
    after = query.get('continuation-token', '')
    names = [name for name in sorted(objects) if name.startswith(prefix) and name > after]
    page, xml = names[:PAGE_SIZE], ''
    for name in page:
        # Prefixes in common are left out: an export has none.
        if not (delimiter and delimiter in name[len(prefix) :]):
            xml += f'<Contents><Key>{escape(name)}</Key><Size>{len(objects[name][1])}</Size>'
            xml += '<LastModified>2025-01-01T00:00:00Z</LastModified></Contents>'
    if len(names) > len(page):
        xml += f'<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>'
    return f'<ListBucketResult>{xml}</ListBucketResult>'


# So many connections may wait to be accepted.
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(('127.0.0.1', PORT), Handler).serve_forever()
