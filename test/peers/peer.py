#!/usr/bin/env python3
"""A Bluetooth LE peripheral and controllers for moor, based on Bumble.

Two TCP ports on 127.0.0.1 speak HCI in the H4 format. Each connection to one
gets a controller of its own, on one air with a peripheral that advertises and
serves GATT:

  plain   Bumble's controller as it is
  silent  a controller that never answers LE Connection Update, as older ones did

Standard output has one JSON object a line: first {"plain": PORT, "silent": PORT},
then one event of the peripheral a line. A line on standard input is an order: "hang
up" ends the connections of the clients, "change" adds a service before the others,
which moves their handles. The program ends with its standard input.

With the arguments PORT PDUS, the peripheral uses a controller of the HCI server at
127.0.0.1:PORT instead of Bumble's, and advertises with "legacy" or "extended" PDUs.
"""

import asyncio
import json
import logging
import sys

from bumble import att, gatt, hci, ll
from bumble.controller import Controller
from bumble.core import AdvertisingData, UUID
from bumble.device import (
    AdvertisingEventProperties,
    AdvertisingParameters,
    Connection,
    Device,
)
from bumble.host import Host
from bumble.link import LocalLink
from bumble.profiles.battery_service import BatteryService
from bumble.profiles.device_information_service import DeviceInformationService
from bumble.transport import open_transport
from bumble.transport.common import AsyncPipeSink, PacketParser

NAME = "moor-bumble"
ADDRESS = "F0:0D:CA:FE:00:01"
ADAPTER = "00:1B:DC:00:00:%02X"
# More than a legacy advertisement has room for.
EXTRA = bytes([101, AdvertisingData.MANUFACTURER_SPECIFIC_DATA]) + bytes(100)
TICK = 0.1  # seconds between notifications


def uuid(n: int) -> UUID:
    return UUID(f"6d6f6f72-{n:04x}-4000-8000-0123456789ab")


def say(**event) -> None:
    print(json.dumps(event), flush=True)


class Air(LocalLink):
    """Bumble's link, which identifies a sender by its random address even if the
    connection uses the public one."""

    def send_acl_data(self, sender_controller, destination_address, transport, data):
        receiver = self.find_le_controller(destination_address)
        connection = sender_controller.le_connections.get(destination_address)
        if receiver is not None and connection is not None:
            asyncio.get_running_loop().call_soon(
                receiver.on_link_acl_data, connection.self_address, transport, data
            )


class SilentController(Controller):
    """Never answers LE Connection Update."""

    def on_hci_le_connection_update_command(self, command) -> None:
        say(event="unanswered", command=command.name)


class Adapter(asyncio.Protocol):
    """One TCP client and the controller that it uses."""

    count = 0
    clients: set[asyncio.Transport] = set()

    def __init__(self, make, link: LocalLink) -> None:
        Adapter.count += 1
        self.link = link
        self.parser = PacketParser()
        self.make = make
        self.address = ADAPTER % (Adapter.count % 256)
        self.controller: Controller | None = None

    def connection_made(self, transport) -> None:
        Adapter.clients.add(transport)
        self.transport = transport
        self.controller = self.make(
            "adapter", host_sink=self, link=self.link, public_address=self.address
        )
        self.parser.set_packet_sink(self.controller)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_packet(self, packet: bytes) -> None:
        self.transport.write(packet)

    def connection_lost(self, exc) -> None:
        Adapter.clients.discard(self.transport)
        # The radio is gone: for the peripheral this is a supervision timeout.
        for connection in list(self.controller.le_connections.values()):
            connection.send_ll_control_pdu(
                ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
            )
        self.link.remove_controller(self.controller)


async def host_on(link: LocalLink, name: str, port: str | None) -> Host:
    """A host on a controller of Bumble's on the link, or of an HCI server."""
    if port:
        transport = await open_transport(f"tcp-client:127.0.0.1:{port}")
        return Host(transport.source, transport.sink)
    controller = Controller(name, link=link)
    return Host(controller, AsyncPipeSink(controller))


class Peripheral:
    def __init__(self, host: Host) -> None:
        self.device = Device(
            name=NAME,
            address=hci.Address(ADDRESS, hci.Address.RANDOM_DEVICE_ADDRESS),
            host=host,
        )
        self.value = bytes.fromhex("01020304")
        self.ticks = 0
        self.tick = gatt.Characteristic(
            uuid(3),
            gatt.Characteristic.Properties.READ | gatt.Characteristic.Properties.NOTIFY,
            gatt.Characteristic.READABLE,
            gatt.CharacteristicValue(read=lambda _: self.tick_value()),
        )
        self.confirmed = gatt.Characteristic(
            uuid(4),
            gatt.Characteristic.Properties.INDICATE,
            gatt.Characteristic.READABLE,
            gatt.CharacteristicValue(read=lambda _: self.tick_value()),
        )
        self.services = [
            BatteryService(lambda _: 87),
            DeviceInformationService(manufacturer_name="Bumble", model_number="peer"),
            gatt.Service(
                uuid(1),
                [
                    gatt.Characteristic(
                        uuid(2),
                        gatt.Characteristic.Properties.READ
                        | gatt.Characteristic.Properties.WRITE
                        | gatt.Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
                        gatt.Characteristic.READABLE | gatt.Characteristic.WRITEABLE,
                        gatt.CharacteristicValue(
                            read=lambda _: self.value, write=self.write
                        ),
                        [
                            gatt.Descriptor(
                                gatt.GATT_CHARACTERISTIC_USER_DESCRIPTION_DESCRIPTOR,
                                gatt.Descriptor.READABLE,
                                b"scratch",
                            )
                        ],
                    ),
                    self.tick,
                    self.confirmed,
                    gatt.Characteristic(
                        uuid(5),
                        gatt.Characteristic.Properties.READ,
                        gatt.Characteristic.READABLE,
                        bytes(i % 251 for i in range(400)),
                    ),
                    gatt.Characteristic(
                        uuid(6),
                        gatt.Characteristic.Properties.READ,
                        gatt.Characteristic.READABLE,
                        gatt.CharacteristicValue(read=self.refuse),
                    ),
                ],
            ),
        ]
        self.own = len(self.device.gatt_server.attributes)  # GAP and GATT, which do not change
        self.device.add_services(self.services)
        self.device.advertising_data = bytes(
            AdvertisingData(
                [
                    (AdvertisingData.FLAGS, bytes([0x06])),
                    (AdvertisingData.COMPLETE_LOCAL_NAME, NAME.encode()),
                    (
                        AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
                        gatt.GATT_BATTERY_SERVICE.to_bytes(),
                    ),
                ]
            )
        )
        self.device.on("connection", self.connected)

    def tick_value(self) -> bytes:
        return self.ticks.to_bytes(4, "little")

    def write(self, _connection: Connection, value: bytes) -> None:
        self.value = bytes(value)
        say(event="written", value=self.value.hex())

    def refuse(self, _connection: Connection) -> bytes:
        raise att.ATT_Error(0x80)

    def connected(self, connection: Connection) -> None:
        say(event="connected", peer=str(connection.peer_address))
        connection.on(
            "disconnection", lambda reason: say(event="disconnected", reason=reason)
        )
        connection.on(
            "connection_att_mtu_update",
            lambda: say(event="mtu", mtu=connection.att_mtu),
        )

    async def run(self, pdus: str) -> None:
        await self.device.power_on()
        if pdus == "extended":
            await self.device.create_advertising_set(
                advertising_parameters=AdvertisingParameters(
                    AdvertisingEventProperties(is_connectable=True),
                    primary_advertising_interval_min=50,
                    primary_advertising_interval_max=50,
                ),
                advertising_data=self.device.advertising_data + EXTRA,
                auto_restart=True,
            )
            return
        await self.device.start_advertising(
            auto_restart=True, advertising_interval_min=50, advertising_interval_max=50
        )

    async def change(self) -> None:
        server = self.device.gatt_server
        first = server.attributes[self.own].handle
        del server.attributes[self.own :]
        del server.services[-len(self.services) :]
        server.attributes_by_handle.clear()
        self.services.insert(0, gatt.Service(uuid(0x100 + len(self.services)), []))
        server.add_services(self.services)
        say(event="changed")
        # Service Changed, to its subscribers.
        await self.device.indicate_subscribers(
            self.device.gatt_service.service_changed_characteristic,
            first.to_bytes(2, "little") + b"\xff\xff",
        )

    async def notify(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.ticks += 1
            for connection in list(self.device.connections.values()):
                try:
                    await self.device.notify_subscriber(
                        connection, self.tick, self.tick_value()
                    )
                    await self.device.indicate_subscriber(
                        connection, self.confirmed, self.tick_value()
                    )
                except Exception as error:  # the link ended meanwhile
                    say(event="not sent", error=str(error))


async def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    loop = asyncio.get_running_loop()
    link = Air()
    port, pdus = sys.argv[1:] or (None, "legacy")
    peripheral = Peripheral(await host_on(link, "peripheral", port))
    await peripheral.run(pdus)
    ports = {}
    for name, make in (("plain", Controller), ("silent", SilentController)):
        server = await loop.create_server(
            lambda make=make: Adapter(make, link), "127.0.0.1", 0
        )
        ports[name] = server.sockets[0].getsockname()[1]
    ticking = asyncio.create_task(peripheral.notify())
    say(**ports)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "hang up":
            for client in list(Adapter.clients):
                client.abort()
        if line.strip() == "change":
            await peripheral.change()
    ticking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
