"""Bumble, as a central and as a device.

  bumble_central.py paced PORT SECONDS    counts the notifications of bench air, as listen.go does
  bumble_central.py unpaced PORT N        orders N notifications from the device, and counts them
  bumble_central.py device PORT           a device, and a controller for a host that connects to PORT
"""

import asyncio
import json
import resource
import struct
import sys
import time

from bumble import gatt
from bumble.controller import Controller
from bumble.core import UUID
from bumble.device import ConnectionParametersPreferences, Device, Peer
from bumble.hci import Address, Phy
from bumble.host import Host
from bumble.transport import open_transport
from bumble.transport.common import AsyncPipeSink

AIR_DEVICE, DEVICE = "C0:AC:BE:00:00:01", "F0:0D:CA:FE:00:02"


def custom(n: int) -> UUID:
    return UUID(f"5ea0{n:04x}-8f5c-4c1e-9a57-3d3f0e1b6c21")


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def connect(device: Device, address: str):
    preferences = ConnectionParametersPreferences()
    preferences.connection_interval_min = preferences.connection_interval_max = 7.5
    parameters = {Phy.LE_1M: preferences}
    return await device.connect(
        Address(address), connection_parameters_preferences=parameters
    )


async def listen(mode: str, port: str, n: int) -> None:
    async with await open_transport(f"tcp-client:127.0.0.1:{port}") as transport:
        own = Address("F0:F1:F2:F3:F4:F5")
        device = Device.with_hci("central", own, transport.source, transport.sink)
        await device.power_on()
        link = await connect(device, AIR_DEVICE if mode == "paced" else DEVICE)
        if mode == "paced":
            await link.set_data_length(251, 2120)
            await link.set_phy(tx_phys=[Phy.LE_2M], rx_phys=[Phy.LE_2M])
        peer = Peer(link)
        await peer.request_mtu(517)
        await peer.discover_services()
        await peer.discover_characteristics()
        count, done = 0, asyncio.Event()

        def take(_) -> None:
            nonlocal count
            count += 1
            if count == n and mode == "unpaced":
                done.set()

        def find(k: int):
            return peer.get_characteristics_by_uuid(custom(k))[0]

        await peer.subscribe(find(3), take)
        if mode == "paced":
            await asyncio.sleep(1)
        count, begin, before = 0, time.monotonic(), used()
        if mode == "paced":
            await asyncio.sleep(n)
        else:
            await find(4).write_value(struct.pack("<H", n), with_response=True)
            await asyncio.wait_for(done.wait(), 120)
        took, cpu = time.monotonic() - begin, used() - before
        line = {"Side": "Bumble", "Mode": mode, "PerSecond": count / took}
        print(json.dumps(line | {"CPU": cpu * 1e6 / count}))
        await link.disconnect()


async def serve(port: int) -> None:
    """A device, and controllers for the hosts that connect to port."""
    import peer  # test/peers/peer.py: an air that Bumble's own lacks

    air = peer.Air()
    controller = Controller("peripheral", link=air)
    device = Device(
        name="bench",
        address=Address(DEVICE, Address.RANDOM_DEVICE_ADDRESS),
        host=Host(controller, AsyncPipeSink(controller)),
    )
    properties = gatt.Characteristic.Properties
    stream = gatt.Characteristic(
        custom(3), properties.NOTIFY, gatt.Characteristic.READABLE, bytes(20)
    )

    async def send(n: int) -> None:
        for i in range(n):
            await device.notify_subscribers(stream, struct.pack("<H", i) + bytes(18))
            if i % 16 == 0:
                await asyncio.sleep(0)

    def order(_, value: bytes) -> None:
        asyncio.get_running_loop().create_task(send(*struct.unpack("<H", value)))

    control = gatt.Characteristic(
        custom(4),
        properties.WRITE,
        gatt.Characteristic.WRITEABLE,
        gatt.CharacteristicValue(write=order),
    )
    device.add_services([gatt.Service(custom(1), [stream, control])])
    await device.power_on()
    await device.start_advertising(auto_restart=True)
    await asyncio.get_running_loop().create_server(
        lambda: peer.Adapter(Controller, air), "127.0.0.1", port
    )
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    mode, port, *rest = sys.argv[1:]
    if mode == "device":
        asyncio.run(serve(int(port)))
    else:
        asyncio.run(listen(mode, port, int(rest[0])))


if __name__ == "__main__":
    main()
