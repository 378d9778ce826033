package hci

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/moor-ble/moor/uuid"
)

// AdvSplitError reports fields that have no room in advertising data and scan response.
type AdvSplitError struct {
	Left AdvFields // the fields that are left out; of a shortened name, the whole name
	// ShortName is the beginning of the name that is sent instead; "" if there is none.
	ShortName string
	Limit     int // octets in each of the two
}

func (e *AdvSplitError) Error() string {
	var left []string
	add := func(format string, args ...any) { left = append(left, fmt.Sprintf(format, args...)) }
	for _, u := range e.Left.Services {
		add("service %v", u)
	}
	for _, s := range e.Left.ServiceData {
		add("%d octets of data of service %v", len(s.Data), s.UUID)
	}
	for _, m := range e.Left.Manufacturer {
		add("%d octets of data of company 0x%04x", len(m.Data), m.Company)
	}
	if e.Left.TxPower != nil {
		add("transmit power")
	}
	if e.Left.Appearance != 0 {
		add("appearance 0x%04x", e.Left.Appearance)
	}
	switch {
	case e.Left.Name != "" && e.ShortName != "":
		add("name %q, cut to %q", e.Left.Name, e.ShortName)
	case e.Left.Name != "":
		add("name %q", e.Left.Name)
	}
	return fmt.Sprintf("hci: advertising data and scan response have %d octets each, and no room for %s: shorten the name, leave fields out, or advertise an extended set", e.Limit, strings.Join(left, ", "))
}

// Split divides the fields between advertising data and scan response, of at most limit
// octets each: 31 with legacy packets. The flags go into the advertising data. Of the
// other fields, those of services and manufacturers come first, and the name last; each
// goes into the advertising data, or else into the scan response, where it fits. A name
// that does not fit is shortened, and Name takes the place of ShortName.
//
// The error is an *AdvSplitError with the fields that fit nowhere. Data and response are
// valid all the same, and have the others.
func (f *AdvFields) Split(limit int) (data, response AdvData, err error) {
	s := splitter{limit: limit, left: AdvSplitError{Limit: limit}}
	s.parts[0].Flags = f.Flags
	for _, u := range f.Services {
		if !s.place(func(p *AdvFields) { p.Services = append(slices.Clip(p.Services), u) }) {
			s.left.Left.Services = append(s.left.Left.Services, u)
		}
	}
	for _, v := range f.ServiceData {
		if !s.place(func(p *AdvFields) { p.ServiceData = append(slices.Clip(p.ServiceData), v) }) {
			s.left.Left.ServiceData = append(s.left.Left.ServiceData, v)
		}
	}
	for _, v := range f.Manufacturer {
		if !s.place(func(p *AdvFields) { p.Manufacturer = append(slices.Clip(p.Manufacturer), v) }) {
			s.left.Left.Manufacturer = append(s.left.Left.Manufacturer, v)
		}
	}
	if f.TxPower != nil && !s.place(func(p *AdvFields) { p.TxPower = f.TxPower }) {
		s.left.Left.TxPower = f.TxPower
	}
	if f.Appearance != 0 && !s.place(func(p *AdvFields) { p.Appearance = f.Appearance }) {
		s.left.Left.Appearance = f.Appearance
	}
	s.placeName(f.Name)
	if f.Name == "" && f.ShortName != "" && !s.place(func(p *AdvFields) { p.ShortName = f.ShortName }) {
		s.placeShortName(f.ShortName)
	}
	return s.result()
}

// splitter has the parts of AdvFields.Split: advertising data and scan response.
type splitter struct {
	limit int
	parts [2]AdvFields
	left  AdvSplitError
}

// place adds a field to the first part where it fits, and reports whether there is one.
func (s *splitter) place(add func(p *AdvFields)) bool {
	for i := range s.parts {
		p := s.parts[i]
		add(&p)
		if _, err := p.Append(nil, s.limit); err == nil {
			s.parts[i] = p
			return true
		}
	}
	return false
}

// placeName adds the name, or its beginning.
func (s *splitter) placeName(name string) {
	if name != "" && !s.place(func(p *AdvFields) { p.Name = name }) {
		s.placeShortName(name)
	}
}

// placeShortName adds the beginning of a name, as long as one of the parts takes.
func (s *splitter) placeShortName(name string) {
	s.left.Left.Name = name
	for n := min(len(name), maxADContent); n > 0; n-- {
		if n < len(name) && !utf8.RuneStart(name[n]) {
			continue // a character whole or not at all
		}
		if s.place(func(p *AdvFields) { p.ShortName = name[:n] }) {
			s.left.ShortName = name[:n]
			return
		}
	}
}

func (s *splitter) result() (data, response AdvData, err error) {
	data, err = s.parts[0].Append(nil, s.limit)
	if err != nil {
		return nil, nil, err // the flags alone do not fit
	}
	if response, err = s.parts[1].Append(nil, s.limit); err != nil {
		return nil, nil, err
	}
	l := &s.left.Left
	if len(l.Services)+len(l.ServiceData)+len(l.Manufacturer)+len(l.Name) > 0 || l.TxPower != nil || l.Appearance != 0 {
		return data, response, &s.left
	}
	return data, response, nil
}

// NameAndServices returns the fields of a connectable peripheral: the flags of a device
// that every central may find, its name and its services.
func NameAndServices(name string, services ...uuid.UUID) *AdvFields {
	return &AdvFields{Flags: FlagGeneralDiscoverable | FlagNoBREDR, Name: name, Services: services}
}
