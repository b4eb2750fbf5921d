#!/usr/bin/env python3
"""A job's events as a browser's own EventSource reads them, through a proxy that hangs up in the middle.

    tests/browser.py URL TABLE.csv LABEL CHROMIUM PROFILE_DIR

The browser gets a page of this program, and the daemon behind it, as one site: the daemon allows no others. The page
uploads the table, trains, and listens to the events. The stream's first connections end early, so that the browser
comes back by itself, with the id of the last event that it has. Once progress has been heard it cancels the job, and in
the end hands in what came: every stored event once and in order, and then silence, for a 204 tells an EventSource to
stay away.
Python's standard library alone.
"""
import http.client
import http.server
import json
import subprocess
import sys
import threading
import urllib.parse

HANG_UPS = 2
PAGE = """<!doctype html><meta charset="utf-8"><script>
const heard = [], tell = (what) => fetch('/heard', { method: 'POST', body: JSON.stringify(what) })
let progress = 0, opened = 0
async function call(path, type, body) {
  const reply = await fetch(path, { method: 'POST', headers: { 'Content-Type': type }, body })
  if (!reply.ok) throw new Error(await reply.text())
  return reply.json()
}
async function run() {
  const table = await (await fetch('/table')).text()
  const dataset = await call('/v1/datasets?label_column=LABEL', 'text/csv', table)
  const params = { steps: 1000000, hidden_layers: [16], generator_layers: [16], noise_dim: 2 }
  const job = await call('/v1/jobs', 'application/json', JSON.stringify({ type: 'train', dataset: dataset.id, params }))
  const source = new EventSource(`/v1/jobs/${job.id}/events`)
  source.onopen = () => opened++
  source.onmessage = (event) => heard.push([Number(event.lastEventId), JSON.parse(event.data)])
  source.addEventListener('progress', (event) => {
    if (JSON.parse(event.data).step > 0 && progress++ === 0) fetch(`/v1/jobs/${job.id}/cancel`, { method: 'POST' })
  })
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) tell({ job: job.id, heard, progress, opened })
  }
}
run().catch((error) => tell({ error: String(error) }))
</script>"""


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def pass_on(self):
        """The daemon's answer as it comes; of a stream that is to end early, so many of its events."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kept = {k: v for k, v in self.headers.items() if k in ("Accept", "Content-Type", "Last-Event-ID")}
        daemon = http.client.HTTPConnection(self.server.daemon, timeout=60)
        daemon.request(self.command, self.path, body or None, kept)
        reply = daemon.getresponse()
        kind = reply.headers.get("Content-Type", "")
        if "event-stream" not in kind:
            text = reply.read()
            self.send_response(reply.status)
            self.send_header("Content-Type", kind)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return
        self.server.asked.append(self.headers.get("Last-Event-ID"))
        left = 1 if len(self.server.asked) <= HANG_UPS else None
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()
        while left != 0 and (line := reply.readline()):
            self.wfile.write(line)
            self.wfile.flush()
            if left and line.startswith(b"id:"):  # its data, and the empty line behind it
                self.wfile.write(reply.readline() + reply.readline())
                left -= 1
        daemon.close()

    def do_GET(self):
        if self.path == "/":
            self.answer(self.server.page, "text/html")
        elif self.path == "/table":
            self.answer(self.server.table, "text/csv")
        elif self.path == "/favicon.ico":
            self.send_error(404)
        else:
            self.pass_on()

    def do_POST(self):
        if self.path != "/heard":
            self.pass_on()
            return
        self.server.heard = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(b"", "text/plain")
        self.server.told.set()


def complaints(server, daemon):
    told = server.heard
    if "error" in told:
        return [told["error"]]
    connection = http.client.HTTPConnection(daemon, timeout=60)
    connection.request("GET", f"/v1/jobs/{told['job']}/events?limit=1000")
    stored = json.load(connection.getresponse())["events"]
    wrong = []
    if [event["seq"] for event in stored] != [seq for seq, _ in told["heard"]]:
        wrong.append(f"stored were {[e['seq'] for e in stored]}, and heard {[seq for seq, _ in told['heard']]}")
    elif stored != [event for _, event in told["heard"]]:
        wrong.append("events were heard otherwise than they are stored")
    if not stored or stored[-1]["code"] != "cancelled":
        wrong.append(f"the last event is not that the job was cancelled: {stored[-1:]}")
    if told["progress"] < 1:
        wrong.append("no progress was heard")
    if told["opened"] <= HANG_UPS:
        wrong.append(f"the browser connected {told['opened']} times")
    if server.asked[0] is not None or None in server.asked[1:]:
        wrong.append(f"the ids with which the browser came back are {server.asked}")
    return wrong


def main():
    url, table, label, chromium, profile = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon = urllib.parse.urlsplit(url).netloc
    server.page = PAGE.replace("LABEL", urllib.parse.quote(label)).encode()
    with open(table, "rb") as file:
        server.table = file.read()
    server.asked, server.told = [], threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = subprocess.Popen(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={profile}",
         f"http://127.0.0.1:{server.server_address[1]}/"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        heard = server.told.wait(150)
    finally:
        browser.terminate()
        browser.wait()
    wrong = complaints(server, server.daemon) if heard else ["the page has not said anything in 150 s"]
    for line in wrong:
        print("browser:", line)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
