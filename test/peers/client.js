// client.js HOST PORT [KEY]: @2colors/esphome-native-api, a client of ESPHome on npm, uses moor
// proxy on the scenario sensors. Each line of its output is one step as JSON.
"use strict";
const { Connection } = require("@2colors/esphome-native-api");

const [host, port, key] = process.argv.slice(2);
const thermometer = 0xc0ffee000001, lamp = 0xc0ffee000003;
const temperature = "00002a6e-0000-1000-8000-00805f9b34fb";
const lampSwitch = "6d6f6f72-0002-"; // the client rounds the rest

const say = (step, fields) => console.log(JSON.stringify({ step, ...fields }));
const hex = (base64) => Buffer.from(base64, "base64").toString("hex");

// next waits for a message that meets good.
function next(connection, name, good) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name}`)), 20000);
    const on = (m) => {
      if (!good(m)) return;
      clearTimeout(timer);
      connection.off(`message.${name}`, on);
      resolve(m);
    };
    connection.on(`message.${name}`, on);
  });
}

// find returns the value handle of a characteristic.
function find(services, uuid) {
  for (const s of services.servicesList) {
    for (const c of s.characteristicsList) if (c.uuid.startsWith(uuid)) return c.handle;
  }
  throw new Error(`no characteristic ${uuid}`);
}

async function use(connection) {
  const info = await connection.deviceInfoService();
  say("info", { name: info.name, flags: info.bluetoothProxyFeatureFlags, encrypted: info.apiEncryptionSupported });
  const heard = next(connection, "BluetoothLEAdvertisementResponse", (a) => a.address === thermometer);
  connection.subscribeBluetoothAdvertisementService();
  const advertisement = await heard;
  say("heard", { rssi: advertisement.rssi < 0, kind: advertisement.addressType });

  let link = await connection.connectBluetoothDeviceService(thermometer, 1);
  const services = await connection.listBluetoothGATTServicesService(thermometer);
  const handle = find(services, temperature);
  const read = await connection.readBluetoothGATTCharacteristicService(thermometer, handle);
  say("read", { connected: link.connected, mtu: link.mtu > 23, octets: hex(read.data).length / 2 });
  const value = next(connection, "BluetoothGATTNotifyDataResponse", (m) => m.handle === handle);
  await connection.notifyBluetoothGATTCharacteristicService(thermometer, handle);
  say("notified", { octets: hex((await value).data).length / 2 });
  link = await connection.disconnectBluetoothDeviceService(thermometer);
  say("disconnected", { connected: link.connected, error: link.error });

  link = await connection.connectBluetoothDeviceService(lamp, 1, true);
  const on = find(await connection.listBluetoothGATTServicesService(lamp), lampSwitch);
  await connection.writeBluetoothGATTCharacteristicService(lamp, on, new Uint8Array([1]), true);
  say("written", { value: hex((await connection.readBluetoothGATTCharacteristicService(lamp, on)).data) });
  await connection.writeBluetoothGATTCharacteristicService(lamp, on, new Uint8Array([0]), false);
  say("written", { value: hex((await connection.readBluetoothGATTCharacteristicService(lamp, on)).data) });
  const pairing = await connection.pairBluetoothDeviceService(lamp);
  say("paired", { paired: pairing.paired });
  const unpairing = await connection.unpairBluetoothDeviceService(lamp);
  say("unpaired", { success: unpairing.success });
  connection.disconnect();
  say("done");
}

say("ready");
const connection = new Connection({ host, port: Number(port), encryptionKey: key || "", reconnect: false });
connection.on("error", (e) => say("error", { text: e.message }));
connection.once("authorized", () => use(connection).catch((e) => say("error", { text: e.message })));
connection.connect();
process.stdin.resume().on("end", () => process.exit(0));
