"""lab.py: a user of Bluetooth with bleak and bleak-retry-connector on bluetoothd, who types
a passkey when asked. A line on standard input is an order, its answer is a line of JSON:
value, or error with the error's type and text.

  find ADDRESS ADAPTER    look for a device; the value is its name
  establish               connect as often as bleak-retry-connector does
  attempt SECONDS         connect with bleak alone
  call                    connect with bluetoothd alone, by its method Connect
  read UUID | write UUID HEX
  notified UUID N         subscribe; the values of N notifications
  pair KEY                pair, with this passkey
  left                    wait for the end of the link
  close                   disconnect
"""

import asyncio
import json
import sys

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakDBusError
from bleak_retry_connector import BleakClientWithServiceCache, establish_connection
from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusObjectPath, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, method

AGENT = "/moor/agent"


class Agent(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.bluez.Agent1")
        self.key = 0

    @method()
    def RequestPasskey(self, device: DBusObjectPath) -> DBusUInt32:
        return self.key

    @method()
    def Cancel(self):
        pass

    @method()
    def Release(self):
        pass


class User:
    def __init__(self, bus: MessageBus, agent: Agent) -> None:
        self.bus, self.agent = bus, agent
        self.device = self.client = None
        self.gone = asyncio.Event()

    async def find(self, address, adapter):
        self.device = await BleakScanner.find_device_by_address(
            address, timeout=60, bluez={"adapter": adapter}
        )
        return self.device and self.device.name

    def left_now(self, _) -> None:
        self.gone.set()

    async def establish(self):
        self.gone.clear()
        self.client = await establish_connection(
            BleakClientWithServiceCache,
            self.device,
            "lab",
            disconnected_callback=self.left_now,
        )

    async def attempt(self, seconds):
        self.gone.clear()
        self.client = BleakClient(
            self.device,
            disconnected_callback=self.left_now,
            timeout=float(seconds),
        )
        await self.client.connect()

    async def call(self):
        reply = await self.bus.call(
            Message(
                destination="org.bluez",
                path=self.device.details["path"],
                interface="org.bluez.Device1",
                member="Connect",
            )
        )
        if reply.message_type is MessageType.ERROR:
            raise BleakDBusError(reply.error_name, reply.body)

    async def read(self, uuid):
        return (await self.client.read_gatt_char(uuid)).hex()

    async def write(self, uuid, value):
        await self.client.write_gatt_char(uuid, bytes.fromhex(value), response=True)

    async def notified(self, uuid, n):
        values = asyncio.Queue()
        await self.client.start_notify(uuid, lambda _, v: values.put_nowait(v.hex()))
        got = [await asyncio.wait_for(values.get(), 60) for _ in range(int(n))]
        await self.client.stop_notify(uuid)
        return " ".join(got)

    async def pair(self, key):
        self.agent.key = int(key)
        await self.client.pair()

    async def left(self):
        await asyncio.wait_for(self.gone.wait(), 120)

    async def close(self):
        await self.client.disconnect()


async def main() -> None:
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    agent = Agent()
    bus.export(AGENT, agent)
    node = await bus.introspect("org.bluez", "/org/bluez")
    manager = bus.get_proxy_object("org.bluez", "/org/bluez", node).get_interface(
        "org.bluez.AgentManager1"
    )
    await manager.call_register_agent(AGENT, "KeyboardOnly")
    await manager.call_request_default_agent(AGENT)
    user = User(bus, agent)
    loop = asyncio.get_running_loop()
    print(json.dumps({"value": "ready"}), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        what, *words = line.split()
        answer = {}
        try:
            answer["value"] = await getattr(user, what)(*words) or ""
        except BleakDBusError as e:
            answer["error"] = f"{e.dbus_error} {e.dbus_error_details}"
        except Exception as e:  # whatever it is, the test has to know
            answer["error"] = f"{type(e).__name__} {e}"
        print(json.dumps(answer), flush=True)


asyncio.run(main())
