"""One call with a recording, told as a cloud PBX tells it; the recording is served for as long as this
runs. Arguments: the gateway's address of the hook."""

import http.server
import io
import math
import struct
import sys
import threading
import time
import urllib.parse
import urllib.request
import wave

SECONDS = 2
RATE = 8_000


def tone() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        for n in range(SECONDS * RATE):
            sound.writeframes(struct.pack("<h", int(8_000 * math.sin(n / 4))))
    return file.getvalue()


SOUND = tone()


class Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "audio/wav")
        self.send_header("Content-Length", str(len(SOUND)))
        self.end_headers()
        self.wfile.write(SOUND)

    def log_message(self, *_):
        pass


files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
threading.Thread(target=files.serve_forever, daemon=True).start()
begin = int(time.time()) - 600
about = {
    "call_id": f"{begin}.000001",
    "src_num": "74950000021",
    "src_type": "1",
    "short_src_num": "74950000021",
    "dst_num": "090909201",
    "dst_type": "2",
    "short_dst_num": "201",
    "pbxdstnum": "74950000090",
    "user_id": "090909",
    "is_inner_call": "0",
}
link = f"http://127.0.0.1:{files.server_port}/record.wav"
end = {"status": "ANSWER", "call_record_link": link, "call_start_timestamp": str(begin)}
for event, at, more in [("1", 0, {}), ("3", 5, {}), ("2", 30, end)]:
    told = {"event": event, "timestamp": str(begin + at), **about, **more}
    address = f"{sys.argv[1]}?{urllib.parse.urlencode(told)}"
    urllib.request.urlopen(address).read()
print("told", flush=True)
sys.stdin.read()
