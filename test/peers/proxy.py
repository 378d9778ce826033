"""proxy.py HOST PORT KEY: the libraries of Home Assistant as the client of moor proxy, on the
scenario sensors: aioesphomeapi, bleak-esphome, habluetooth, bleak-retry-connector, bleak. Each
line of its output is one step as JSON."""

import asyncio
import sys
import time

from aioesphomeapi.core import TimeoutAPIError
from bleak_retry_connector import establish_connection
from habluetooth import HaBleakClientWrapper
from homeassistant import join, say, until

THERMOMETER = "C0:FF:EE:00:00:01"
BELT = "C0:FF:EE:00:00:02"
LAMP = "C0:FF:EE:00:00:03"
TEMPERATURE = "00002a6e-0000-1000-8000-00805f9b34fb"
SWITCH = "6d6f6f72-0002-4c61-6d70-000000000000"


async def main(host, port, key):
    manager, client, info, slots = await join(host, port, key)
    device = await until("heard", lambda: manager.async_ble_device_from_address(THERMOMETER, True))
    say("heard", name=device.name)

    gone = asyncio.Event()
    for way in ("cold", "warm"):
        gone.clear()
        conn = await establish_connection(HaBleakClientWrapper, device, "thermometer", disconnected_callback=lambda _: gone.set())
        await until("slot taken", lambda: slots.ble_connections_free < slots.ble_connections_limit)
        value = await conn.read_gatt_char(TEMPERATURE)
        values = asyncio.Queue()
        await conn.start_notify(TEMPERATURE, lambda _, v: values.put_nowait(v))
        pair = [len(await asyncio.wait_for(values.get(), 10)) for _ in range(2)]
        await conn.stop_notify(TEMPERATURE)
        await conn.disconnect()
        await until("slot back", lambda: slots.ble_connections_free == slots.ble_connections_limit)
        say(way, octets=len(value), notified=pair, gone=gone.is_set())

    conn = await establish_connection(HaBleakClientWrapper, device, "thermometer")
    outcome = asyncio.Queue()
    cancel = await client.bluetooth_device_connect(
        int(LAMP.replace(":", ""), 16), lambda up, mtu, error: outcome.put_nowait([up, error]), timeout=10,
        feature_flags=info.bluetooth_proxy_feature_flags, has_cache=False, address_type=1,
    )
    say("full", outcome=await outcome.get())
    cancel()
    await conn.disconnect()

    lamp = await until("lamp", lambda: manager.async_ble_device_from_address(LAMP, True))
    conn = await establish_connection(HaBleakClientWrapper, lamp, "lamp")
    await conn.write_gatt_char(SWITCH, b"\x01", response=True)
    say("written", value=(await conn.read_gatt_char(SWITCH)).hex())
    await conn.pair()
    say("paired")
    await conn.unpair()
    say("unpaired")
    say("cleared", value=bool(await conn.clear_cache()))
    await conn.disconnect()

    begin = time.monotonic()
    try:
        await client.bluetooth_device_connect(
            0xC0FFEE000099, lambda up, mtu, error: None, timeout=5, disconnect_timeout=5,
            feature_flags=info.bluetooth_proxy_feature_flags, has_cache=False, address_type=1,
        )
    except TimeoutAPIError:
        say("absent", prompt=time.monotonic() - begin < 6)  # the disconnect was answered at once
    await client.disconnect()
    say("done")


say("ready")
asyncio.run(main(*sys.argv[1:4]))
sys.stdin.read()
