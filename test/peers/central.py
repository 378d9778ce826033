#!/usr/bin/env python3
"""A Bluetooth LE central, based on Bumble, on a controller of moor lab.

The arguments are the port of the controller on 127.0.0.1, the address of a device, the
UUID of a characteristic that notifies by itself, and an address that no device has.
Standard output has one JSON object a line: first {"step": "scanned"} once the device
was heard, then one for each further step. The program ends with its standard input.
"""

import asyncio
import json
import sys

from bumble import hci
from bumble.core import UUID
from bumble.device import Device
from bumble.transport import open_transport


def say(step: str, **more) -> None:
    print(json.dumps({"step": step, **more}), flush=True)


async def main() -> None:
    port, address, uuid, absent = sys.argv[1:]
    async with await open_transport(f"tcp-client:127.0.0.1:{port}") as transport:
        device = Device.with_hci(
            "central", hci.Address("F0:0D:CA:FE:00:02"), transport.source, transport.sink
        )
        await device.power_on()

        heard = asyncio.Event()
        device.on(
            "advertisement",
            lambda a: heard.set() if a.address == hci.Address(address) else None,
        )
        await device.start_scanning()
        await heard.wait()
        await device.stop_scanning()
        say("scanned")

        # Nobody answers: the connect pends, and the controller takes it back.
        pending = asyncio.create_task(device.connect(absent))
        done, _ = await asyncio.wait([pending], timeout=1)
        say("pends" if not done else "ended early")
        await device.cancel_connection()
        await asyncio.wait([pending])
        say("canceled", error=pending.exception().error_code)

        connection = await device.connect(address, timeout=10)
        say("connected")

        updated = asyncio.Event()
        connection.on("connection_parameters_update", updated.set)
        await connection.update_parameters(50, 50, 0, 4000)
        await updated.wait()
        say("updated", interval=connection.parameters.connection_interval)

        peer = await connection_peer(connection)
        await peer.discover_services()
        await peer.discover_characteristics()
        say("discovered", services=len(peer.services))
        characteristic = peer.get_characteristics_by_uuid(UUID(uuid))[0]
        values: asyncio.Queue = asyncio.Queue()
        await peer.subscribe(characteristic, values.put_nowait)
        say("notified", values=[(await values.get()).hex() for _ in range(2)])

        await connection.disconnect()
        say("disconnected")
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def connection_peer(connection):
    from bumble.device import Peer

    peer = Peer(connection)
    await peer.request_mtu(247)
    return peer


if __name__ == "__main__":
    asyncio.run(main())
