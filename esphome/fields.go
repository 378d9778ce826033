package esphome

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is a field of a message or of a part of one, by its tag: `esp:"NUMBER"`, followed
// by ",zigzag" for a number of type sint32, by ",zero" for one that is written even if it is
// zero, or by ",uuid" for the list of the two halves of a UUID, which is refused if it is
// longer.
type field struct {
	number protowire.Number
	index  int
	zigzag bool
	zero   bool
	uuid   bool
}

// layouts caches the fields of struct types, in ascending order of their numbers.
var layouts sync.Map // reflect.Type → []field

func fieldsOf(t reflect.Type) []field {
	if l, ok := layouts.Load(t); ok {
		return l.([]field)
	}
	var l []field
	for i := range t.NumField() {
		number, option, _ := strings.Cut(t.Field(i).Tag.Get("esp"), ",")
		n, err := strconv.Atoi(number)
		if err != nil || !slices.Contains([]string{"", "zigzag", "zero", "uuid"}, option) {
			panic(fmt.Sprintf("esphome: %v.%s has no tag with the number of its field", t, t.Field(i).Name))
		}
		l = append(l, field{protowire.Number(n), i, option == "zigzag", option == "zero", option == "uuid"})
	}
	layouts.Store(t, l)
	return l
}

// appendFields appends the fields of the struct v. Zero values are left out.
func appendFields(b []byte, v reflect.Value) []byte {
	for _, f := range fieldsOf(v.Type()) {
		b = f.append(b, v.Field(f.index))
	}
	return b
}

func (f field) append(b []byte, v reflect.Value) []byte {
	if v.IsZero() && !f.zero {
		return b
	}
	switch v.Kind() {
	case reflect.Bool, reflect.Uint32, reflect.Uint64, reflect.Int32:
		b = protowire.AppendTag(b, f.number, protowire.VarintType)
		return protowire.AppendVarint(b, f.varint(v))
	case reflect.String:
		b = protowire.AppendTag(b, f.number, protowire.BytesType)
		return protowire.AppendString(b, v.String())
	case reflect.Struct:
		return f.appendPart(b, v)
	default: // a slice
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if v.Len() == 0 {
			return b
		}
		b = protowire.AppendTag(b, f.number, protowire.BytesType)
		return protowire.AppendBytes(b, v.Bytes())
	}
	element := f
	element.zero = true
	for i := range v.Len() { // never packed
		b = element.append(b, v.Index(i))
	}
	return b
}

// appendPart appends a message within a message. Its length is known afterwards.
func (f field) appendPart(b []byte, v reflect.Value) []byte {
	b = protowire.AppendTag(b, f.number, protowire.BytesType)
	begin := len(b)
	b = appendFields(b, v)
	n := len(b) - begin
	length := protowire.SizeVarint(uint64(n))
	for range length {
		b = append(b, 0)
	}
	copy(b[begin+length:], b[begin:begin+n])
	protowire.AppendVarint(b[:begin], uint64(n))
	return b
}

func (f field) varint(v reflect.Value) uint64 {
	switch v.Kind() {
	case reflect.Bool:
		return protowire.EncodeBool(v.Bool())
	case reflect.Int32:
		if f.zigzag {
			return protowire.EncodeZigZag(v.Int())
		}
		return uint64(v.Int()) //nolint:gosec // a negative int32 is ten octets, as in protobuf
	default:
		return v.Uint()
	}
}

var errWireType = errors.New("the type of its value does not fit")

// decodeFields sets the struct v by a payload. Unknown fields are skipped.
func decodeFields(b []byte, v reflect.Value) error {
	fields := fieldsOf(v.Type())
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("tag of a field: %w", protowire.ParseError(n))
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(number, wire, b)
		if size < 0 {
			return fmt.Errorf("field %d: %w", number, protowire.ParseError(size))
		}
		for _, f := range fields {
			if f.number == number {
				if err := f.decode(b[:size], wire, v.Field(f.index)); err != nil {
					return fmt.Errorf("field %d: %w", number, err)
				}
			}
		}
		b = b[size:]
	}
	return nil
}

// decode sets v by the octets of one value, or appends it if v is a list.
func (f field) decode(b []byte, wire protowire.Type, v reflect.Value) error {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8 {
		return f.decodeElements(b, wire, v)
	}
	switch v.Kind() {
	case reflect.Bool, reflect.Uint32, reflect.Uint64, reflect.Int32:
		if wire != protowire.VarintType {
			return errWireType
		}
		x, _ := protowire.ConsumeVarint(b)
		f.setNumber(v, x)
		return nil
	default:
	}
	if wire != protowire.BytesType {
		return errWireType
	}
	data, _ := protowire.ConsumeBytes(b)
	switch v.Kind() {
	case reflect.String:
		v.SetString(string(data))
	case reflect.Struct:
		return decodeFields(data, v)
	default:
		v.SetBytes(append([]byte(nil), data...))
	}
	return nil
}

// decodeElements appends one element to the list v, or the numbers of a packed list.
func (f field) decodeElements(b []byte, wire protowire.Type, v reflect.Value) error {
	element := reflect.New(v.Type().Elem()).Elem()
	if packed := wire == protowire.BytesType && element.Kind() == reflect.Uint64; packed {
		data, _ := protowire.ConsumeBytes(b)
		for len(data) > 0 {
			x, n := protowire.ConsumeVarint(data)
			if n < 0 {
				return protowire.ParseError(n)
			}
			element.SetUint(x)
			if err := f.appendElement(v, element); err != nil {
				return err
			}
			data = data[n:]
		}
		return nil
	}
	if err := f.decode(b, wire, element); err != nil {
		return err
	}
	return f.appendElement(v, element)
}

var errLongUUID = errors.New("a UUID has two halves, and this one has more")

// appendElement appends an element to the list v.
func (f field) appendElement(v, element reflect.Value) error {
	if f.uuid && v.Len() == 2 {
		return errLongUUID
	}
	v.Set(reflect.Append(v, element))
	return nil
}

// setNumber sets v to x, cut to the width of its type as protobuf does.
func (f field) setNumber(v reflect.Value, x uint64) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(protowire.DecodeBool(x))
	case reflect.Int32:
		if f.zigzag {
			v.SetInt(int64(int32(protowire.DecodeZigZag(x & 0xFFFFFFFF)))) //nolint:gosec // 32 bits
		} else {
			v.SetInt(int64(int32(x))) //nolint:gosec // 32 bits
		}
	case reflect.Uint32:
		v.SetUint(x & 0xFFFFFFFF)
	default:
		v.SetUint(x)
	}
}
