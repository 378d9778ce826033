"""chain.py ADDRESS KEY DEVICE SCRATCH VALUES: the libraries of Home Assistant connect to a
device through moor proxy, without and with what they know of it from before: read, write,
subscribe to VALUES, disconnect. Each line of the output is one step as JSON; after the step
subscribed, the device has to notify. A line of the input starts each connection."""

import asyncio
import sys

from bleak_retry_connector import establish_connection
from habluetooth import HaBleakClientWrapper
from homeassistant import join, say, until

PATIENCE = 240


async def main(address, key, peer, scratch, values):
    host, port = address.split(":")
    manager, client, _, slots = await join(host, port, key)
    device = await until("heard", lambda: manager.async_ble_device_from_address(peer, True), PATIENCE)
    say("heard", name=device.name)
    for way in ("cold", "warm"):
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        gone = asyncio.Event()
        conn = await establish_connection(
            HaBleakClientWrapper,
            device,
            "bluetoothd",
            disconnected_callback=lambda _, gone=gone: gone.set(),
            use_services_cache=way == "warm",
        )
        await until("slot taken", lambda: slots.ble_connections_free < slots.ble_connections_limit, PATIENCE)
        before = await conn.read_gatt_char(scratch)
        await conn.write_gatt_char(scratch, way.encode(), response=True)
        after = await conn.read_gatt_char(scratch)
        heard = asyncio.Queue()
        await conn.start_notify(values, lambda _, v, heard=heard: heard.put_nowait(v))
        say("subscribed")
        notified = await asyncio.wait_for(heard.get(), PATIENCE)
        await conn.stop_notify(values)
        await conn.disconnect()
        await until("slot back", lambda: slots.ble_connections_free == slots.ble_connections_limit, PATIENCE)
        await asyncio.wait_for(gone.wait(), PATIENCE)
        say(way, before=before.hex(), after=after.decode(), notified=notified.hex())
    await client.disconnect()
    say("done")


asyncio.run(main(*sys.argv[1:]))
