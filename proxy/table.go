package proxy

import (
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/uuid"
)

// tableAttributes is how many attributes a message has at most, unless one service has
// more. Each takes at most 32 octets, so that a message stays far below that which a
// frame of any client holds.
const tableAttributes = 64

var cccd = uuid.From16(0x2902)

// tableOf returns the messages that describe a table: whole services, and the end.
func tableOf(a esphome.Address, p *gatt.Profile, short bool) []esphome.Message {
	var all []esphome.Message
	next, attributes := &esphome.ServicesResponse{Address: a}, 0
	for i := range p.Services {
		svc := serviceOf(&p.Services[i], short)
		n := 1
		for _, c := range svc.Characteristics {
			n += 1 + len(c.Descriptors)
		}
		if attributes > 0 && attributes+n > tableAttributes {
			all = append(all, next)
			next, attributes = &esphome.ServicesResponse{Address: a}, 0
		}
		next.Services = append(next.Services, svc)
		attributes += n
	}
	return append(all, next, &esphome.ServicesDone{Address: a})
}

func serviceOf(s *gatt.Service, short bool) esphome.Service {
	svc := esphome.Service{Handle: uint32(s.Handle)}
	svc.UUID, svc.Short = esphome.EncodeUUID(s.UUID, short)
	for _, c := range s.Characteristics {
		chr := esphome.Characteristic{Handle: uint32(c.Value), Properties: uint32(c.Properties)}
		chr.UUID, chr.Short = esphome.EncodeUUID(c.UUID, short)
		for _, d := range c.Descriptors {
			desc := esphome.Descriptor{Handle: uint32(d.Handle)}
			desc.UUID, desc.Short = esphome.EncodeUUID(d.UUID, short)
			chr.Descriptors = append(chr.Descriptors, desc)
		}
		svc.Characteristics = append(svc.Characteristics, chr)
	}
	return svc
}
