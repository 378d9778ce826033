"""The libraries of Home Assistant as a client of moor proxy: aioesphomeapi, bleak-esphome,
habluetooth, bleak-retry-connector, bleak. Each line of the output of a script is one step
as JSON."""

import asyncio
import json
import sys
import time

from aioesphomeapi import APIClient
from bleak_esphome import connect_scanner
from bleak_retry_connector import BleakSlotManager
from bluetooth_adapters import BluetoothAdapters
from habluetooth import BluetoothManager, set_manager


def say(step, **fields):
    print(json.dumps({"step": step, **fields}), flush=True)


class NoAdapters(BluetoothAdapters):
    @property
    def adapters(self):
        return {}

    @property
    def default_adapter(self):
        return "hci0"


class Manager(BluetoothManager):
    def _discover_service_info(self, service_info):
        pass


async def until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            say("stuck", at=what)
            sys.exit(1)
        await asyncio.sleep(0.02)
    return value


async def join(host, port, key):
    """Returns Home Assistant's manager, with the proxy as its only scanner, the client of
    the proxy, what the proxy says of itself, and its slots."""
    manager = Manager(NoAdapters(), BleakSlotManager())
    set_manager(manager)
    await manager.async_setup()
    client = APIClient(host, int(port), None, noise_psk=key or None, client_info="chain")
    await client.connect(login=True)
    info = await client.device_info()
    data = connect_scanner(client, info, True)
    data.scanner.async_setup()
    manager.async_register_scanner(data.scanner)
    return manager, client, info, data.bluetooth_device
