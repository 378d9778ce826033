#!/usr/bin/env python3
"""Bumble as a device to pair with, as peripheral and as central.

A TCP port on 127.0.0.1 speaks HCI in the H4 format: {"port": PORT} is the first
line of standard output. Each connection to it gets a controller, always with the
same address, on one air with a peripheral that advertises and has a
characteristic that is readable on encrypted links only.

A line on standard input is an order, as JSON:

  {"do": "be", "io": NAME, "sc": BOOL}  the IO capability, and LE Secure Connections
  {"do": "type", "key": NUMBER}         the user types a passkey
  {"do": "agree", "yes": BOOL}          or says whether the numbers are the same
  {"do": "forget"}                      deletes all bonds
  {"do": "pair", "address": ADDR}       the central connects there and pairs
  {"do": "return", "address": ADDR}     it connects there, encrypts and reads

An address is public, or has "/random" behind it.

Each event is a JSON object on a line of standard output. The program ends with its
standard input.

With the argument PORT, the peripheral and the central use controllers of the HCI
server at 127.0.0.1:PORT instead of Bumble's.
"""

import asyncio
import json
import logging
import sys

from bumble import gatt, hci
from bumble.controller import Controller
from bumble.core import AdvertisingData, UUID
from bumble.device import Device, Peer
from bumble.host import Host
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate

from peer import Adapter, Air, host_on, say, uuid

PERIPHERAL = "F0:0D:CA:FE:00:02"
CENTRAL = "F0:0D:CA:FE:00:03"
ADAPTER = "00:1B:DC:00:01:01"

IO = {
    "DisplayOnly": PairingDelegate.DISPLAY_OUTPUT_ONLY,
    "DisplayYesNo": PairingDelegate.DISPLAY_OUTPUT_AND_YES_NO_INPUT,
    "KeyboardOnly": PairingDelegate.KEYBOARD_INPUT_ONLY,
    "NoInputNoOutput": PairingDelegate.NO_OUTPUT_NO_INPUT,
    "KeyboardDisplay": PairingDelegate.DISPLAY_OUTPUT_AND_KEYBOARD_INPUT,
}


class User(PairingDelegate):
    """Prints numbers to standard output, and answers as ordered."""

    def __init__(self, io: str) -> None:
        super().__init__(IO[io])
        self.answers: asyncio.Queue = asyncio.Queue()

    async def display_number(self, number: int, digits: int) -> None:
        say(event="shown", value=f"{number:06}")

    async def compare_numbers(self, number: int, digits: int) -> bool:
        say(event="shown", value=f"{number:06}")
        return await self.answers.get()

    async def get_number(self) -> int | None:
        return await self.answers.get()


class PeripheralKeys(MemoryKeyStore):
    """Bonds of a peripheral. Bumble's responder stores a legacy key under the role of
    its user, but looks it up under its own role."""

    async def update(self, name: str, keys) -> None:
        keys.ltk_central, keys.ltk_peripheral = keys.ltk_peripheral, keys.ltk_central
        await super().update(name, keys)


class QuickController(Controller):
    """Refuses LE Set PHY. Bumble's controller does not answer it, and a host waits."""

    def on_hci_le_set_phy_command(self, command) -> None:
        self._send_hci_command_status(
            hci.HCI_ErrorCode.UNKNOWN_HCI_COMMAND_ERROR, command.op_code
        )


class SameAdapter(Adapter):
    """A client whose controller has the address of the one before."""

    def __init__(self, link) -> None:
        super().__init__(QuickController, link)
        self.address = ADAPTER


class Bumble:
    def __init__(self, hosts: list[Host]) -> None:
        self.user = User("NoInputNoOutput")
        self.sc = True
        self.devices = []
        for host, address in zip(hosts, (PERIPHERAL, CENTRAL)):
            device = Device(
                name="moor-mate",
                address=hci.Address(address, hci.Address.RANDOM_DEVICE_ADDRESS),
                host=host,
            )
            device.pairing_config_factory = lambda connection: PairingConfig(
                sc=self.sc,
                mitm=self.user.io_capability != IO["NoInputNoOutput"],
                delegate=self.user,
                identity_address_type=PairingConfig.AddressType.RANDOM,
            )
            self.devices.append(device)
        self.peripheral, self.central = self.devices
        self.peripheral.add_service(
            gatt.Service(
                uuid(1),
                [
                    gatt.Characteristic(
                        uuid(2),
                        gatt.Characteristic.Properties.READ,
                        gatt.Characteristic.READABLE
                        | gatt.Characteristic.READ_REQUIRES_ENCRYPTION,
                        bytes.fromhex("01020304"),
                    )
                ],
            )
        )
        self.peripheral.advertising_data = bytes(
            AdvertisingData([(AdvertisingData.FLAGS, bytes([0x06]))])
        )

    async def run(self) -> None:
        for device in self.devices:
            await device.power_on()
        self.forget()
        await self.peripheral.start_advertising(
            auto_restart=True, advertising_interval_min=50, advertising_interval_max=50
        )

    def forget(self) -> None:
        self.peripheral.keystore = PeripheralKeys()
        self.central.keystore = MemoryKeyStore()

    async def obey(self, order: dict) -> None:
        match order["do"]:
            case "be":
                self.user, self.sc = User(order["io"]), order["sc"]
                say(event="is", value=order["io"])
            case "type":
                self.user.answers.put_nowait(order["key"])
            case "agree":
                self.user.answers.put_nowait(order["yes"])
            case "forget":
                self.forget()
                say(event="forgot")
            case "pair":
                await self.visit(order["address"], self.central.pair)
            case "return":
                await self.visit(order["address"], self.central.encrypt)

    async def visit(self, address: str, secure) -> None:
        mac, _, kind = address.partition("/")
        connection = await self.central.connect(
            hci.Address(
                mac,
                hci.Address.RANDOM_DEVICE_ADDRESS
                if kind == "random"
                else hci.Address.PUBLIC_DEVICE_ADDRESS,
            )
        )
        try:
            await secure(connection)
            peer = Peer(connection)
            await peer.discover_services()
            await peer.discover_characteristics()
            (characteristic,) = peer.get_characteristics_by_uuid(UUID(str(uuid(2))))
            value = await characteristic.read_value()
            say(event="read", value=value.hex(), sc=connection.sc)
        except Exception as error:
            say(event="failed", value=f"{type(error).__name__}: {error}")
        finally:
            await connection.disconnect()


async def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    loop = asyncio.get_running_loop()
    link = Air()
    port = sys.argv[1] if len(sys.argv) > 1 else None
    bumble = Bumble([await host_on(link, name, port) for name in ("peripheral", "central")])
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
