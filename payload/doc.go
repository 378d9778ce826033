// Package payload decodes the measurements and identities that devices broadcast
// in their advertisements.
//
// [Decode] takes the data of an advertisement and of its scan response, and
// returns a [Frame] for each payload in a known format. The formats are:
//
//   - BTHome v2, plain and encrypted
//   - RuuviTag data formats 3, 5, 6, C5 and E1
//   - the formats atc1441 and pvvx of the firmware ATC_MiThermometer, plain and
//     encrypted
//   - Xiaomi MiBeacon, versions 2 to 5, plain and encrypted
//   - the thermometers of Govee and Inkbird that broadcast their values
//   - iBeacon
//   - Eddystone-UID, -URL, -EID and plain -TLM
//
// Formats that a device sends over a connection are not decoded, and neither is
// BTHome v1, whose UUIDs belong to others. The identities have encoders:
// [IBeacon.ManufacturerData], [EddystoneUID.ServiceData] and the like return the data of
// a beacon. Measurements have none: the samples of the formats' documents hold the
// decoders to their formats.
//
// # Values
//
// A [Reading] is a value with its unit. Values are decimal numbers on air; the
// decoder computes them as integers and divides once, so a Value is the float64
// nearest to the decimal number, and prints as that number. A measurement that the
// device marks as not available has no Reading.
//
// # Trust
//
// Anyone can broadcast anything under any address. Frame.Authentic is true only for
// payloads whose sender has the key in [Keys]. Even these can be replays:
// Frame.Counter has the counter of the payload, and a program that acts on a payload
// compares it with the last one. A device with a key that sends plain payloads is
// decoded, too, with Authentic false.
//
// Decode is a pure function. It reads no further than its input, whatever lengths
// the input claims; the number of readings in a frame is bounded; and it does not
// allocate for an advertisement without a known format.
package payload
