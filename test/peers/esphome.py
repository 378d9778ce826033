"""esphome.py HOST PORT KEY: aioesphomeapi as the client of a proxy. KEY is empty for plain
text. Each line of its output is one step with what the client made of it, as JSON."""

import asyncio
import json
import sys

import aioesphomeapi
from aioesphomeapi.core import BluetoothGATTAPIError


def say(step, **fields):
    print(json.dumps({"step": step, **fields}), flush=True)


async def main(host, port, key):
    client = aioesphomeapi.APIClient(host, int(port), None, noise_psk=key or None, client_info="peers")
    try:
        await client.connect(login=True)
    except aioesphomeapi.APIConnectionError as e:
        say("refused", error=type(e).__name__)
        return
    info = await client.device_info()
    say(
        "info",
        name=info.name,
        mac=info.mac_address,
        flags=info.bluetooth_proxy_feature_flags,
        bluetooth_mac=info.bluetooth_mac_address,
        project=info.project_name,
    )
    steps = asyncio.Queue()
    client.subscribe_bluetooth_connections_free(lambda free, limit, allocated: steps.put_nowait(("slots", free, limit, allocated)))
    say("slots", values=(await steps.get())[1:])
    client.subscribe_bluetooth_scanner_state(lambda s: steps.put_nowait(("state", int(s.state), int(s.mode))))
    client.subscribe_bluetooth_le_raw_advertisements(
        lambda r: steps.put_nowait(("heard", [[a.address, a.rssi, a.address_type, a.data.hex()] for a in r.advertisements]))
    )
    for _ in range(2):
        name, *values = await steps.get()
        say(name, values=values)
    cancel = await client.bluetooth_device_connect(
        0xC0FFEE000001,
        lambda connected, mtu, error: steps.put_nowait(("link", connected, mtu, error)),
        timeout=10,
        feature_flags=info.bluetooth_proxy_feature_flags,
        has_cache=False,
        address_type=1,
    )
    say("link", values=(await steps.get())[1:])
    services = await client.bluetooth_gatt_get_services(0xC0FFEE000001)
    say("services", values=[[s.uuid, s.handle, [[c.uuid, c.handle, c.properties, [d.uuid for d in c.descriptors]] for c in s.characteristics]] for s in services.services])
    say("read", value=(await client.bluetooth_gatt_read(0xC0FFEE000001, 3)).hex())
    try:
        await client.bluetooth_gatt_read(0xC0FFEE000001, 4)
    except BluetoothGATTAPIError as e:
        say("failed", error=e.error.error)
    await client.bluetooth_device_disconnect(0xC0FFEE000001)
    say("link", values=(await steps.get())[1:])
    cancel()
    await client.disconnect()
    say("done")


say("ready")
asyncio.run(main(*sys.argv[1:4]))
sys.stdin.read()
