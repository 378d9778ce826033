"""record.py records the treatment of failures by the installed bleak-retry-connector.

Plays every failure that establish_connection tells apart, alone, in pairs of words
and in sequences, with a client and a clock of its own, and prints a line for each:
the attempts, the sum of the waits, the final error with its advice, and the wait of
the decorator. connmgr/upstream_test.go holds the presets against the output:

    pip install bleak-retry-connector==4.7.1
    python test/upstream/record.py >connmgr/testdata/upstream-4.7.1.tsv
"""

import asyncio
import itertools
import random

import bleak_retry_connector as brc
from bleak.backends.device import BLEDevice
from bleak.exc import BleakDBusError, BleakDeviceNotFoundError, BleakError


class DBus(BleakDBusError):
    """A D-Bus error whose text is the given one alone."""

    def __init__(self, text):
        super().__init__("org.bluez.Error.Failed", [])
        self.text = text

    def __str__(self):
        return self.text


KINDS = {
    "BleakError": BleakError,
    "BleakDBusError": DBus,
    "BleakDeviceNotFoundError": lambda text: BleakDeviceNotFoundError("device", text),
    "BleakNotFoundError": brc.BleakNotFoundError,
    "TimeoutError": asyncio.TimeoutError,
    "KeyError": KeyError,
    "BrokenPipeError": BrokenPipeError,
    "EOFError": EOFError,
    "AttributeError": AttributeError,
    "other": ValueError,
}

CANCELED = "ESP_GATT_CONN_CONN_CANCEL"
WORDS = [
    "boom",
    "le-connection-abort-by-local",
    "br-connection-canceled",
    "ESP_GATT_CONN_FAIL_ESTABLISH",
    "ESP_GATT_CONN_TERMINATE_PEER_USER",
    "ESP_GATT_CONN_TERMINATE_LOCAL_HOST",
    "ESP_GATT_CONN_TIMEOUT",
    "ESP_GATT_ERROR",
    CANCELED,
    "available connection",
    "connection slot",
    "org.freedesktop.DBus.Error.UnknownObject",
    "not found",
    "Disconnected",
    "ESP_GATT_CONN_LMP_TIMEOUT",
    "le-connection-timeout",
]

ADVICE = {
    "abort": brc.ABORT_ADVICE,
    "missing": brc.DEVICE_MISSING_ADVICE,
    "slots": brc.OUT_OF_SLOTS_ADVICE,
    "rejected": getattr(brc, "CONNECTION_REJECTED_ADVICE", None),
    "silent": next((getattr(brc, name) for name in dir(brc) if name.endswith("_TIMEOUT_ADVICE")), None),
}

FINAL = {
    brc.BleakNotFoundError: "not found",
    brc.BleakOutOfConnectionSlotsError: "out of slots",
    brc.BleakAbortedError: "aborted",
    brc.BleakConnectionError: "connection",
}


class Clock:
    """The time that attempts and waits have taken, in seconds."""

    def __init__(self):
        self.now = self.waited = 0.0

    async def wait(self, _device, seconds):
        self.now += seconds
        self.waited += seconds


async def play(kinds_and_texts, max_attempts, elapsed):
    """Makes attempts that fail one after the other; the last failure repeats."""
    clock, attempts = Clock(), 0

    class Client(brc.BleakClientWithServiceCache):
        def __init__(self, *_args, **_kwargs):
            pass

        async def connect(self, **_kwargs):
            nonlocal attempts
            kind, text = kinds_and_texts[min(attempts, len(kinds_and_texts) - 1)]
            attempts += 1
            clock.now += elapsed
            raise KINDS[kind](text)

        async def clear_cache(self):
            return True

        async def disconnect(self):
            pass

    brc.wait_for_disconnect = clock.wait
    if hasattr(brc, "monotonic"):
        brc.monotonic = lambda: clock.now
    device = BLEDevice("AA:BB:CC:DD:EE:FF", "kettle", {})
    try:
        await brc.establish_connection(Client, device, "kettle", max_attempts=max_attempts)
    except Exception as exc:  # ValueError, where nothing is retried
        final = FINAL.get(type(exc), "raised")
        if type(exc) is brc.BleakNotFoundError and exc.__cause__ is None:
            final = "raised"
        advice = next((name for name, text in ADVICE.items() if text and str(exc).endswith(text)), "none")
        return attempts, clock.waited, final, advice


def scripts():
    """Yields the failures to play, the number of attempts, and the time of each."""
    texts = WORDS + [f"{a}; {b}" for a, b in itertools.combinations(WORDS[1:], 2)]
    for kind in KINDS:
        for text in texts if kind in ("BleakError", "BleakDBusError", "TimeoutError") else WORDS:
            yield [(kind, text)], 4, 0
    for kind, elapsed in itertools.product(KINDS, (0.1, 7.999, 8, 8.001, 20)):
        yield [(kind, CANCELED)], 4, elapsed
    for other in WORDS:
        yield [("BleakError", other), ("BleakError", CANCELED)], 4, 9
    pick = random.Random(1)
    for attempts in (0, 1, 2, 4, 5, 9):
        for _ in range(12):
            yield [(pick.choice(list(KINDS)[:-1]), pick.choice(WORDS)) for _ in range(pick.randint(2, 14))], attempts, 0


async def main():
    print(
        f"# attempt {brc.BLEAK_TIMEOUT:g} s, safety {brc.BLEAK_SAFETY_TIMEOUT:g} s, attempts {brc.MAX_CONNECT_ATTEMPTS}, "
        f"transients {brc.MAX_TRANSIENT_ERRORS}, decorator {brc.DEFAULT_ATTEMPTS}"
    )
    print("max_attempts\telapsed\tfailures\tattempts\twaited\tfinal\tadvice\tdecorator")
    for failures, max_attempts, elapsed in scripts():
        attempts, waited, final, advice = await play(failures, max_attempts, elapsed)
        decorator = brc.calculate_backoff_time(KINDS[failures[0][0]](failures[0][1]))
        names = " | ".join(f"{kind}: {text}" for kind, text in failures)
        print(f"{max_attempts}\t{elapsed:g}\t{names}\t{attempts}\t{waited:.3f}\t{final}\t{advice}\t{decorator:g}")


asyncio.run(main())
