package peripheral

import (
	"context"

	"github.com/moor-ble/moor/gatt"
)

// Static returns the table without handlers: the values, which do not move, are those of
// the description. d must be valid.
func (d *Description) Static() []gatt.ServiceDef { return d.staticServices() }

func (d *Description) staticServices() []gatt.ServiceDef { return d.serviceDefs(nil) }

// serviceDefs returns the table. With an engine, its handlers take what centrals write.
func (d *Description) serviceDefs(e *Engine) (defs []gatt.ServiceDef) {
	for i := range d.Services {
		s := &d.Services[i]
		def := gatt.ServiceDef{UUID: s.UUID, Secondary: s.Secondary}
		for _, u := range s.Includes {
			def.Includes = append(def.Includes, gatt.IncludeDef{UUID: u})
		}
		for j := range s.Characteristics {
			def.Characteristics = append(def.Characteristics, s.Characteristics[j].charDef(e))
		}
		defs = append(defs, def)
	}
	return defs
}

func (c *Characteristic) charDef(e *Engine) gatt.CharDef {
	value, _ := c.Encode(c.Value) // is valid
	def := gatt.CharDef{
		UUID: c.UUID, Properties: c.properties(), Value: value, MinLen: c.minLength(), MaxLen: c.maxLength(),
		Permissions: gatt.Permissions{
			Read: c.security(c.ReadSecurity).require(), Write: c.security(c.WriteSecurity).require(),
			Subscribe: c.security(c.NotifySecurity).require(),
		},
	}
	if c.Name != "" {
		def.Descriptors = append(def.Descriptors, gatt.UserDescription(c.Name))
	}
	for i := range c.Descriptors {
		x := &c.Descriptors[i]
		value, _ := x.encodeValue()
		def.Descriptors = append(def.Descriptors, gatt.DescDef{UUID: x.UUID, Value: value, Writable: x.Writable})
	}
	if e == nil {
		return def
	}
	if def.Properties&(gatt.PropWrite|gatt.PropWriteWithoutResponse|gatt.PropSignedWrite) != 0 {
		def.Write = func(ctx context.Context, r *gatt.WriteRequest) error { return e.handleWrite(ctx, c, r) }
	}
	if def.Properties&(gatt.PropNotify|gatt.PropIndicate) != 0 {
		def.Subscribe = func(_ context.Context, r *gatt.SubscribeRequest) error {
			e.reportEvent(Event{
				Kind: EventSubscribed, Peer: e.peerOf(r.Session), Characteristic: c.label(), Notify: r.Notify, Indicate: r.Indicate,
			})
			return nil
		}
	}
	return def
}

// properties returns the properties, those of the description or the inferred ones.
func (c *Characteristic) properties() (p gatt.Properties) {
	for _, x := range c.Properties {
		p |= propertyBits[x]
	}
	if c.Properties != nil {
		return p
	}
	switch c.Behavior.Kind {
	case Constant:
		return gatt.PropRead
	case Echo:
		return gatt.PropRead | gatt.PropWrite | gatt.PropWriteWithoutResponse | gatt.PropNotify
	default:
	}
	return gatt.PropRead | gatt.PropNotify
}
