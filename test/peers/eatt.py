#!/usr/bin/env python3
"""The Bumble of pairing.py with enhanced ATT bearers, as server and as client.

It obeys the orders of pairing.py, and one more:

  {"do": "enhance", "address": ADDR}  the central connects there, pairs, opens three
                                      enhanced bearers with one request, and reads on
                                      all of them at a time: an event "read" for each
"""

import asyncio
import json
import logging
import sys

from bumble import hci
from bumble.device import DeviceConfiguration
from bumble.gatt_client import Client

import pairing
from pairing import Bumble, SameAdapter
from peer import Air, host_on, say, uuid

BEARERS = 3


class Device(pairing.Device):
    """A device that accepts enhanced bearers."""

    def __init__(self, name: str, address: hci.Address, host) -> None:
        config = DeviceConfiguration(name=name, address=address, eatt_enabled=True)
        super().__init__(config=config, host=host)


class EnhancedBumble(Bumble):
    async def obey(self, order: dict) -> None:
        if order["do"] != "enhance":
            await super().obey(order)
            return
        address = hci.Address(order["address"], hci.Address.PUBLIC_DEVICE_ADDRESS)
        connection = await self.central.connect(address)
        try:
            await self.central.pair(connection)
            clients = await Client.connect_eatt(connection, count=BEARERS)

            async def read(client: Client) -> str:
                (service,) = await client.discover_service(uuid(1))
                (characteristic,) = await client.discover_characteristics(
                    [uuid(2)], service
                )
                return (await characteristic.read_value()).hex()

            for value in await asyncio.gather(*map(read, clients)):
                say(event="read", value=value)
        except Exception as error:
            say(event="failed", value=f"{type(error).__name__}: {error}")
        finally:
            await connection.disconnect()


async def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    pairing.Device = Device
    loop = asyncio.get_running_loop()
    link = Air()
    bumble = EnhancedBumble([await host_on(link, n, None) for n in ("peripheral", "central")])
    await bumble.run()
    server = await loop.create_server(lambda: SameAdapter(link), "127.0.0.1", 0)
    say(port=server.sockets[0].getsockname()[1])
    tasks = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = asyncio.create_task(bumble.obey(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
