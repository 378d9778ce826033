#!/usr/bin/env python3
"""A GATT server for the bluetoothd that runs hci1.

Standard output has one JSON object a line: {"event": "ready"}, then an event for
each order, and {"event": "written", "value": HEX} for each write. A line on
standard input is an order:

  offer [HANDLE]  add the service to bluetoothd's table, at the handle or at the
                  next free one; the event is "offered"
  withdraw        remove the service; "withdrawn"
  advertise NAME  advertise with the name; "advertising"
  notify          send a notification to the subscribers; "notified"
  idle            wait until bluetoothd has removed every link; "idle"

The event "failed" says why an order cannot be obeyed: bluetoothd refuses it, does
not answer, keeps a link, or has ended. An exception of this program is such a
reason: GLib would only drop the function that raised it.

The program ends with its standard input.
"""

import json
import sys
import threading
import time

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

PROPERTIES = "org.freedesktop.DBus.Properties"
SERVICE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
ADVERTISEMENT = "org.bluez.LEAdvertisement1"
ROOT = "/moor"

# Bounds the wait for bluetoothd to notice the end of a link, which takes it a
# fraction of a second. In seconds.
IDLE_TIMEOUT = 30


def uuid(n: int) -> str:
    return f"6d6f6f72-{n:04x}-4000-8000-0123456789ab"


def say(**event) -> None:
    print(json.dumps(event), flush=True)


class Object(dbus.service.Object):
    """An object with properties of one interface."""

    def __init__(self, bus, path, interface, **properties) -> None:
        super().__init__(bus, path)
        self.interface, self.properties = interface, properties

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, _interface):
        return self.properties

    @dbus.service.signal(PROPERTIES, signature="sa{sv}as")
    def PropertiesChanged(self, interface, changed, invalidated):
        pass


class Characteristic(Object):
    def __init__(self, bus, service, n, value, *flags) -> None:
        super().__init__(
            bus,
            f"{service}/c{n}",
            CHARACTERISTIC,
            UUID=uuid(n),
            Service=dbus.ObjectPath(service),
            Flags=dbus.Array(flags, signature="s"),
        )
        self.value = value

    @dbus.service.method(CHARACTERISTIC, in_signature="a{sv}", out_signature="ay")
    def ReadValue(self, options):
        return dbus.ByteArray(self.value[options.get("offset", 0) :])

    @dbus.service.method(CHARACTERISTIC, in_signature="aya{sv}", byte_arrays=True)
    def WriteValue(self, value, options):
        self.value = self.value[: options.get("offset", 0)] + bytes(value)
        say(event="written", value=self.value.hex())

    @dbus.service.method(CHARACTERISTIC)
    def StartNotify(self):
        pass

    @dbus.service.method(CHARACTERISTIC)
    def StopNotify(self):
        pass

    def notify(self) -> None:
        self.value = bytes([self.value[0] + 1 & 0xFF]) + self.value[1:]
        value = dbus.Array(self.value, signature="y")
        self.PropertiesChanged(CHARACTERISTIC, {"Value": value}, [])


class Application(dbus.service.Object):
    def __init__(self, bus) -> None:
        super().__init__(bus, ROOT)
        path = f"{ROOT}/service"
        self.service = Object(bus, path, SERVICE, UUID=uuid(1), Primary=True)
        initial = bytes([1, 2, 3, 4])
        self.values = Characteristic(bus, path, 3, initial, "read", "notify")
        self.objects = [
            self.service,
            Characteristic(bus, path, 2, initial, "read", "write"),
            self.values,
            Characteristic(bus, path, 4, initial, "write-without-response"),
            Characteristic(bus, path, 5, bytes(180), "read", "write"),
            Characteristic(bus, path, 6, initial, "encrypt-read"),
        ]

    @dbus.service.method(
        "org.freedesktop.DBus.ObjectManager", out_signature="a{oa{sa{sv}}}"
    )
    def GetManagedObjects(self):
        return {
            o.__dbus_object_path__: {o.interface: o.properties} for o in self.objects
        }


class Server:
    def __init__(self) -> None:
        self.bus = dbus.SystemBus()
        adapter = self.bus.get_object("org.bluez", "/org/bluez/hci1")
        self.gatt = dbus.Interface(adapter, "org.bluez.GattManager1")
        self.advertising = dbus.Interface(adapter, "org.bluez.LEAdvertisingManager1")
        self.application = Application(self.bus)
        root = self.bus.get_object("org.bluez", "/")
        self.objects = dbus.Interface(root, "org.freedesktop.DBus.ObjectManager")
        self.bus.watch_name_owner("org.bluez", self.owned)

    def owned(self, owner: str) -> None:
        """Notices the end of bluetoothd. D-Bus would start no other."""
        if not owner:
            say(event="failed", value="bluetoothd has ended")

    def obey(self, order: str) -> None:
        match order.split():
            case ["offer", *handle]:
                properties = self.application.service.properties
                properties.pop("Handle", None)
                if handle:
                    properties["Handle"] = dbus.UInt16(int(handle[0], 0))
                self.call(self.gatt.RegisterApplication, "offered", ROOT, {})
            case ["withdraw"]:
                self.call(self.gatt.UnregisterApplication, "withdrawn", ROOT)
            case ["advertise", name]:
                self.advertisement = Object(
                    self.bus,
                    f"{ROOT}/advertisement",
                    ADVERTISEMENT,
                    Type="peripheral",
                    LocalName=name,
                    ServiceUUIDs=dbus.Array([uuid(1)], signature="s"),
                    Discoverable=True,
                )
                path = f"{ROOT}/advertisement"
                register = self.advertising.RegisterAdvertisement
                self.call(register, "advertising", path, {})
            case ["notify"]:
                self.application.values.notify()
                say(event="notified")
            case ["idle"]:
                self.await_idle(time.monotonic() + IDLE_TIMEOUT)

    def await_idle(self, end: float) -> bool:
        """Asks bluetoothd for its links until none is left or the time is over."""

        def answered(objects) -> None:
            linked = [
                path
                for path, interfaces in objects.items()
                if interfaces.get("org.bluez.Device1", {}).get("Connected")
            ]
            if not linked:
                say(event="idle")
            elif time.monotonic() < end:
                GLib.timeout_add(50, self.await_idle, end)
            else:
                reason = f"bluetoothd keeps a link: {', '.join(linked)} Connected"
                say(event="failed", value=f"{reason} after {IDLE_TIMEOUT} s")

        self.objects.GetManagedObjects(
            reply_handler=answered,
            error_handler=lambda error: say(
                event="failed", value=f"bluetoothd does not list its links: {error}"
            ),
            timeout=IDLE_TIMEOUT,
        )
        return False  # GLib does not repeat the call

    def call(self, method, event, *args) -> None:
        """Calls bluetoothd, which calls this program before it answers."""
        method(
            *args,
            reply_handler=lambda: say(event=event),
            error_handler=lambda error: say(event="failed", value=str(error)),
            timeout=300,
        )


def report(kind, error, trace) -> None:
    """Reports an exception in a function that GLib calls."""
    say(event="failed", value=f"server.py: {kind.__name__}: {error}")
    sys.__excepthook__(kind, error, trace)


def main() -> None:
    sys.excepthook = report
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    server = Server()
    loop = GLib.MainLoop()

    def orders() -> None:
        for line in sys.stdin:
            GLib.idle_add(server.obey, line)
        GLib.idle_add(loop.quit)

    threading.Thread(target=orders, daemon=True).start()
    say(event="ready")
    loop.run()


if __name__ == "__main__":
    main()
