package cli

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/cmd/moor/internal/assigned"
	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/uuid"
)

type servicesCmd struct{ peer }

func newServices() *command {
	c := &servicesCmd{}
	cmd := newCommand(groupPeer, "services", "Show services, characteristics and descriptors.", c.runServices)
	c.addArgs(cmd)
	return cmd
}

func (c *servicesCmd) runServices(ctx context.Context, a *app) error {
	return a.withClient(ctx, &c.peer, briefOptions(), func(conn *connmgr.Client) error {
		p, err := conn.GATT().Discover(ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			for i := range p.Services {
				a.out.json(serviceJSON(&p.Services[i]))
			}
			return nil
		}
		for _, line := range tree(p) {
			a.out.printf("%s\n", line)
		}
		return nil
	})
}

// tree returns a table as an indented list, with a line for each attribute that the
// command line can name.
func tree(p *gatt.Profile) []string {
	var t table
	for i := range p.Services {
		s := &p.Services[i]
		kind := "service"
		if !s.Primary {
			kind = "secondary service"
		}
		t.row(s.Handle.String(), fmt.Sprintf("%s %s", kind, s.UUID), assigned.Service(s.UUID))
		for _, inc := range s.Includes {
			t.row(inc.Handle.String(), fmt.Sprintf("  includes %s (%s-%s)", inc.UUID, inc.Start, inc.End), assigned.Service(inc.UUID))
		}
		for _, c := range s.Characteristics {
			name := assigned.Characteristic(c.UUID)
			if name != "" {
				name += "  "
			}
			t.row(c.Value.String(), "  "+c.UUID.String(), name+"["+c.Properties.String()+"]")
			for _, d := range c.Descriptors {
				t.row(d.Handle.String(), "    "+d.UUID.String(), assigned.Descriptor(d.UUID))
			}
		}
	}
	return t.lines(0)
}

type jsonService struct {
	Handle          att.Handle           `json:"handle"`
	End             att.Handle           `json:"end"`
	UUID            uuid.UUID            `json:"uuid"`
	Name            string               `json:"name,omitempty"`
	Primary         bool                 `json:"primary"`
	Includes        []gatt.Include       `json:"includes,omitempty"`
	Characteristics []jsonCharacteristic `json:"characteristics"`
}

type jsonCharacteristic struct {
	Handle      att.Handle       `json:"handle"` // of the value
	Declaration att.Handle       `json:"declaration"`
	UUID        uuid.UUID        `json:"uuid"`
	Name        string           `json:"name,omitempty"`
	Properties  []string         `json:"properties"`
	Descriptors []jsonDescriptor `json:"descriptors"`
}

type jsonDescriptor struct {
	Handle att.Handle `json:"handle"`
	UUID   uuid.UUID  `json:"uuid"`
	Name   string     `json:"name,omitempty"`
}

func serviceJSON(s *gatt.Service) jsonService {
	out := jsonService{
		Handle: s.Handle, End: s.End, UUID: s.UUID, Name: assigned.Service(s.UUID),
		Primary: s.Primary, Includes: s.Includes, Characteristics: []jsonCharacteristic{},
	}
	for _, c := range s.Characteristics {
		jc := jsonCharacteristic{
			Handle: c.Value, Declaration: c.Handle, UUID: c.UUID, Name: assigned.Characteristic(c.UUID),
			Properties: propertyNames(c.Properties), Descriptors: []jsonDescriptor{},
		}
		for _, d := range c.Descriptors {
			jc.Descriptors = append(jc.Descriptors, jsonDescriptor{d.Handle, d.UUID, assigned.Descriptor(d.UUID)})
		}
		out.Characteristics = append(out.Characteristics, jc)
	}
	return out
}

// propertyNames lists the properties that are set; it is never nil.
func propertyNames(p gatt.Properties) []string {
	names := []string{}
	for bit := range 8 {
		if one := p & (1 << bit); one != 0 {
			names = append(names, one.String())
		}
	}
	return names
}
