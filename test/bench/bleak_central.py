"""The central of bleak and bleak-retry-connector: obeys the orders of drive.go, as
central.go does. Arguments: ADAPTER ADDR."""

import asyncio
import json
import struct
import sys
import time

from bleak import BleakScanner
from bleak_retry_connector import (
    BleakClientWithServiceCache,
    clear_cache,
    establish_connection,
    get_device,
)

LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"


def custom(n: int) -> str:
    return f"5ea0{n:04x}-8f5c-4c1e-9a57-3d3f0e1b6c21"


class Central:
    def __init__(self, adapter: str, address: str) -> None:
        self.adapter, self.address = adapter, address
        self.device = self.client = None

    async def find(self):
        for _ in range(5):
            device = await BleakScanner.find_device_by_address(
                self.address, timeout=10, bluez={"adapter": self.adapter}
            )
            if device:
                return device
        raise RuntimeError(f"{self.address} not found")

    async def connect(self, cache: bool) -> None:
        self.client = await establish_connection(
            BleakClientWithServiceCache,
            self.device,
            "bench",
            use_services_cache=cache,
        )

    async def prepare(self, _: int) -> None:
        """Forgets the device and its table, and finds it again."""
        await clear_cache(self.address)
        self.device = await self.find()

    async def cold(self, _: int) -> None:
        await self.connect(False)
        if len(list(self.client.services)) < 4:
            raise RuntimeError("services are missing")

    async def warm(self, _: int) -> None:
        self.device = await get_device(self.address) or await self.find()
        await self.connect(True)
        await self.client.read_gatt_char(LEVEL)

    async def close(self, _: int) -> None:
        await self.client.disconnect()

    async def reads(self, n: int) -> None:
        for _ in range(n):
            await self.client.read_gatt_char(custom(2))

    async def writes(self, n: int) -> None:
        for _ in range(n):
            await self.client.write_gatt_char(custom(2), bytes(20), response=True)

    async def commands(self, n: int) -> None:
        for _ in range(n):
            await self.client.write_gatt_char(custom(2), bytes(20), response=False)

    async def notifications(self, n: int) -> None:
        count, done = 0, asyncio.Event()

        def take(_, value) -> None:
            nonlocal count
            count += 1
            if count >= n:
                done.set()

        await self.client.start_notify(custom(3), take)
        await self.client.write_gatt_char(custom(4), struct.pack("<H", n), response=True)
        try:
            await asyncio.wait_for(done.wait(), 20)
        finally:
            await self.client.stop_notify(custom(3))


async def main() -> None:
    central = Central(*sys.argv[1:3])
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        what, n = line.split()
        begin, answer = time.monotonic(), {}
        try:
            await getattr(central, what)(int(n))
        except Exception as e:  # whatever it is, the driver has to know
            answer["error"] = f"{type(e).__name__}: {e}"
        answer["ms"] = (time.monotonic() - begin) * 1000
        print(json.dumps(answer), flush=True)


asyncio.run(main())
