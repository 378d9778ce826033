//go:build !minimal

package yamlfile

import (
	"encoding"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// textOf returns the text of a scalar, as it is written but for quotes.
func textOf(n ast.Node) (string, bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.LiteralNode:
		return x.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode, *ast.NullNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// kindOf names a value for errors.
func kindOf(n ast.Node) string {
	if text, ok := textOf(n); ok {
		return strconv.Quote(text)
	}
	if _, ok := n.(*ast.SequenceNode); ok {
		return "a list"
	}
	return "a mapping (key: value)"
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
)

// isText reports whether a type reads a scalar.
func isText(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textType) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct:
		return false
	case reflect.Slice:
		return isOctets(t)
	default:
	}
	return true
}

// isOctets reports whether a type is octets, which are one scalar or a list of numbers.
func isOctets(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem() == reflect.TypeFor[byte]()
}

// describe names the values of a type for errors.
func describe(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 10s"
	case t.Kind() == reflect.Slice && !isText(t):
		return "a list"
	case !isText(t):
		return "a mapping (key: value)"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 && !reflect.PointerTo(t).Implements(textType):
		return "a number"
	}
	return "text"
}

// setScalar reads a scalar of a basic type.
func setScalar(v reflect.Value, text string) error {
	switch {
	case v.Type() == durationType:
		d, err := parseDuration(text)
		v.SetInt(int64(d))
		return err
	case v.Kind() == reflect.Slice: // of octets
		b, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "", "-", "").Replace(strings.TrimPrefix(text, "0x")))
		if err != nil {
			return fmt.Errorf("%q is not hexadecimal: write two digits for each octet, such as 0x0a1b", text)
		}
		v.SetBytes(b)
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on":
			v.SetBool(true)
		case "false", "no", "off":
			v.SetBool(false)
		default:
			return fmt.Errorf("%q: write true or false", text)
		}
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%q: write a number", text)
		}
		v.SetFloat(f)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(text, 0, v.Type().Bits())
		if err != nil {
			top := int64(1)<<(v.Type().Bits()-1) - 1
			return fmt.Errorf("%q: write a whole number from %d to %d", text, -top-1, top)
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		i, err := strconv.ParseUint(text, 0, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q: write a whole number from 0 to %d", text, ^uint64(0)>>(64-v.Type().Bits()))
		}
		v.SetUint(i)
	default:
		return fmt.Errorf("%q: no value can be written here", text)
	}
	return nil
}

func parseDuration(text string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(text, 64); err == nil && text != "0" {
		return 0, fmt.Errorf("%s has no unit: write %ss or %sms", text, text, text)
	}
	d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		return 0, fmt.Errorf("%q: write a duration such as 10s, 250ms or 1h30m", text)
	}
	return d, nil
}

// closest returns the key that differs from a wrong one in at most a third of its letters.
func closest(wrong string, keys []string) (best string) {
	least := max(1, len(wrong)/3) + 1
	wrong = strings.ToLower(strings.ReplaceAll(wrong, "_", "-"))
	for _, k := range keys {
		if n := distance(wrong, k); n < least {
			best, least = k, n
		}
	}
	return best
}

// distance is the number of letters to change, add or leave out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
