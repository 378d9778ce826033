#!/usr/bin/env python3
"""Writes the tables of package assigned from the Bluetooth SIG's numbers.

Sources, both from PyPI and both under the MIT license:

  bluetooth-sig 0.6.0 (2026-06)      the assigned-numbers YAML files that the
                                     SIG publishes, as that package ships them
  bluetooth-numbers 1.1.2 (2024-08)  128-bit UUIDs of vendors, and well-known
                                     uses of member UUIDs (Eddystone, ...)

Only the assignments (number and name) are taken. A table is a text file, a
line for each number: the number in upper-case hexadecimal digits of fixed
width, then the name. Lines are sorted, which is what the lookup relies on.

Run by "go generate ./internal/assigned"; needs Python 3.8 and pip.
"""

import pathlib
import subprocess
import sys
import tempfile
import uuid

PACKAGES = ["bluetooth-sig==0.6.0", "bluetooth-numbers==1.1.2", "PyYAML==6.0.3"]
# Member UUIDs better known by their use than by their owner.
WELL_KNOWN = [0xFD6F, 0xFE2C, 0xFE59, 0xFEAA]
TABLES = pathlib.Path(__file__).resolve().parent.parent / "tables"


def clean(name):
    """One line, single spaces, no invisible characters."""
    return " ".join(str(name).replace("\u200b", "").split())


def write(table, rows, width):
    lines = [f"{key:0{width}X}{clean(name)}\n" for key, name in sorted(rows.items())]
    (TABLES / f"{table}.txt").write_text("".join(lines), encoding="utf-8", newline="\n")
    print(f"{table}: {len(lines)} names, {sum(map(len, lines))} characters")


def main():
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
             "--disable-pip-version-check", "--root-user-action=ignore", "--target", tmp, *PACKAGES],
            check=True,
        )
        sys.path.insert(0, tmp)
        generate(pathlib.Path(tmp))


def generate(tmp):
    import yaml
    import bluetooth_numbers as numbers

    sig = tmp / "bluetooth_sig" / "bluetooth_sig" / "assigned_numbers"

    def load(path, key):
        return yaml.safe_load((sig / path).read_text(encoding="utf-8"))[key]

    def uuids(path):
        return {e["uuid"]: e["name"] for e in load(path, "uuids")}

    def vendor(table):
        return {k.int: v for k, v in table.items() if isinstance(k, uuid.UUID)}

    TABLES.mkdir(exist_ok=True)
    companies = {e["value"]: e["name"]
                 for e in load("company_identifiers/company_identifiers.yaml", "company_identifiers")}
    companies[0xFFFF] = "reserved for tests"
    write("companies", companies, 4)

    services = uuids("uuids/service_uuids.yaml")
    services[0x1800] = "Generic Access"  # "GAP" and "GATT" in the list;
    services[0x1801] = "Generic Attribute"  # their own specifications write it out
    write("services", services, 4)
    write("characteristics", uuids("uuids/characteristic_uuids.yaml"), 4)
    write("descriptors", {**uuids("uuids/descriptors.yaml"), **uuids("uuids/declarations.yaml")}, 4)

    members = uuids("uuids/member_uuids.yaml")
    members.update(uuids("uuids/sdo_uuids.yaml"))
    for key in WELL_KNOWN:
        members[key] = f"{numbers.service[key]} ({members[key]})"
    write("members", members, 4)

    write("vendor_services", vendor(numbers.service), 32)
    write("vendor_characteristics", vendor(numbers.characteristic), 32)

    appearance = {}
    for entry in load("core/appearance_values.yaml", "appearance_values"):
        value = entry["category"] << 6
        appearance[value] = entry["name"]
        for sub in entry.get("subcategory", []):
            appearance[value | sub["value"]] = sub["name"]
    write("appearances", appearance, 4)

    versions = {e["value"]: e["name"].removeprefix("Bluetooth® Core Specification ").partition(" (")[0]
                for e in load("core/core_version.yaml", "core_version")}
    write("versions", versions, 4)


if __name__ == "__main__":
    main()
