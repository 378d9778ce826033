"""mdns.py NAME: python-zeroconf, with which Home Assistant finds devices. It announces a proxy
"cellar", and prints as JSON the proxy NAME when it comes and when it goes."""

import json
import socket
import sys
import threading

from zeroconf import ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

TYPE = "_esphomelib._tcp.local."


def say(**fields):
    print(json.dumps(fields), flush=True)


class Listener(ServiceListener):
    def add_service(self, zc, kind, name):
        # Not on the goroutine of the browser, which has to take the answer.
        threading.Thread(target=self.show, args=(zc, kind, name)).start()

    def show(self, zc, kind, name):
        if name != f"{sys.argv[1]}.{TYPE}":
            return
        info = zc.get_service_info(kind, name, timeout=5000)
        say(
            step="found",
            server=info.server,
            port=info.port,
            addresses=info.parsed_addresses(),
            text={k.decode(): (v or b"").decode() for k, v in info.properties.items()},
        )

    def remove_service(self, zc, kind, name):
        if name == f"{sys.argv[1]}.{TYPE}":
            say(step="gone")

    def update_service(self, zc, kind, name):
        pass


zc = Zeroconf()
zc.register_service(
    ServiceInfo(
        TYPE, f"cellar.{TYPE}", server="cellar.local.", port=6053, addresses=[socket.inet_aton("192.0.2.99")],
        properties={"mac": "c0ffee0000ff", "version": "2026.9.1", "api_encryption": "Noise_NNpsk0_25519_ChaChaPoly_SHA256"},
    )
)
ServiceBrowser(zc, TYPE, Listener())
say(step="ready")
sys.stdin.read()
zc.close()
