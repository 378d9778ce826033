"""browser.py URL SECONDS [FOLDER]: headless Chromium looks at the page of moor proxy, wide and
light, then narrow and dark. Each line of its output is what it has seen, as JSON. With FOLDER it
waits for SECONDS and leaves pictures there."""

import base64
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from websockets.sync.client import connect

url, seconds = sys.argv[1], float(sys.argv[2])
folder = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None

LOOK = """(() => {
  const texts = (s) => [...document.querySelectorAll(s)].map((e) => e.textContent);
  return {
    title: document.title,
    name: document.getElementById("name").textContent,
    scripts: [...document.querySelectorAll("script")].map((s) => s.getAttribute("src")),
    inserted: document.querySelectorAll("main img, main script, main b").length,
    totals: texts("#totals dt"),
    adapters: texts("#adapters .main"),
    links: texts("#links li"),
    clients: texts("#clients .main"),
    failures: texts("#failures li"),
    devices: texts("#devices .title"),
    values: texts("#devices .values span"),
    lines: [...document.querySelectorAll("#devices .line")].filter((l) => l.getAttribute("d")).length,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    background: getComputedStyle(document.body).backgroundColor,
    offline: !document.getElementById("offline").hidden,
  };
})()"""


class Page:
    def __init__(self, address):
        self.socket = connect(address, max_size=None)
        self.ids = itertools.count(1)
        self.events = []

    def call(self, method, **params):
        number = next(self.ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=30))
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")


def wait(what, condition, limit=60):
    end = time.monotonic() + limit
    while not (value := condition()):
        if time.monotonic() > end:
            sys.exit(f"browser.py: no {what} within {limit} s")
        time.sleep(0.05)
    return value


def look(page, name, width, height, scale, scheme):
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    states = int(page.evaluate("document.body.dataset.states"))
    wait("new state", lambda: int(page.evaluate("document.body.dataset.states")) > states)
    if folder:
        tall = page.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": min(tall, 3 * height), "scale": 1}
        picture = page.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        (folder / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))
    print(json.dumps({"view": name, **page.evaluate(LOOK)}), flush=True)


home = tempfile.mkdtemp()
browser = subprocess.Popen(
    [os.environ.get("MOOR_CHROMIUM", "chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
     "--hide-scrollbars", f"--user-data-dir={home}", "--remote-debugging-port=0", "about:blank"],
    stdout=subprocess.DEVNULL, stderr=sys.stderr,
)
try:
    port_file = pathlib.Path(home) / "DevToolsActivePort"
    wait("browser", lambda: port_file.exists() and port_file.read_text().count("\n"))
    port = port_file.read_text().split()[0]
    targets = wait("page", lambda: [t for t in json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list")) if t["type"] == "page"])
    page = Page(targets[0]["webSocketDebuggerUrl"])
    print(json.dumps({"view": "ready"}), flush=True)
    for domain in ("Page", "Network", "Runtime", "Log"):
        page.call(f"{domain}.enable")
    page.call("Page.navigate", url=url)
    wait("state", lambda: page.evaluate("Number((document.body || {dataset: {}}).dataset.states || 0)") >= 3)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.evaluate("0")  # takes the events of the browser
        time.sleep(0.5)
    look(page, "proxy-desktop", 1200, 900, 1.5, "light")
    look(page, "proxy-phone", 390, 844, 2, "dark")
    requests = sorted({e["params"]["request"]["url"] for e in page.events if e["method"] == "Network.requestWillBeSent"})
    wrong = [e["params"] for e in page.events if e["method"] in ("Runtime.exceptionThrown", "Page.javascriptDialogOpening")]
    wrong += [e["params"] for e in page.events if e["method"] == "Log.entryAdded" and e["params"]["entry"]["level"] == "error"]
    print(json.dumps({"view": "requests", "requests": requests, "errors": [json.dumps(w) for w in wrong]}), flush=True)
finally:
    browser.terminate()
    browser.wait(20)
    shutil.rmtree(home, ignore_errors=True)
sys.stdin.read()
