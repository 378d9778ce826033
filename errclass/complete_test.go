package errclass_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/smp"
)

// stack lists the packages whose errors have to be in the table.
var stack = []string{"hci", "hci/hcisock", "controller", "l2cap", "gatt/att", "gatt", "smp", "host"}

// samples returns one of each error that the packages export, except code types,
// whose constants are all tried.
func samples() map[string]error {
	return map[string]error{
		"controller.ErrNoAnswer":              controller.ErrNoAnswer,
		"controller.ErrUnanswered":            controller.ErrUnanswered,
		"controller.ErrNoCredit":              controller.ErrNoCredit,
		"controller.ErrNoDataCredit":          controller.ErrNoDataCredit,
		"controller.ErrUnacknowledged":        controller.ErrUnacknowledged,
		"controller.ErrStuck":                 controller.ErrStuck,
		"controller.ErrNotSupported":          controller.ErrNotSupported,
		"controller.ErrNoLE":                  controller.ErrNoLE,
		"controller.ErrReset":                 controller.ErrReset,
		"controller.ErrNoCodedPHY":            controller.ErrNoCodedPHY,
		"controller.ErrDialTimeout":           controller.ErrDialTimeout,
		"controller.ErrStillInitiating":       controller.ErrStillInitiating,
		"controller.ErrStale":                 controller.ErrStale,
		"controller.ErrEventLost":             controller.ErrEventLost,
		"controller.ErrUnknownLink":           controller.ErrUnknownLink,
		"controller.ErrUnwanted":              controller.ErrUnwanted,
		"controller.ErrAdvertisingEnded":      controller.ErrAdvertisingEnded,
		"controller.ErrNoExtendedAdvertising": controller.ErrNoExtendedAdvertising,
		"controller.ErrNoPeriodicAdvertising": controller.ErrNoPeriodicAdvertising,
		"controller.ErrSetStopped":            controller.ErrSetStopped,
		"controller.ErrSyncLost":              controller.ErrSyncLost,
		"hci.AdvSplitError":                   &hci.AdvSplitError{},
		"controller.CommandError":             &controller.CommandError{Err: hci.StatusUnspecified},
		"controller.ConnectError":             &controller.ConnectError{Err: controller.ErrDialTimeout},
		"controller.DisconnectError":          &controller.DisconnectError{Reason: hci.StatusConnectionTimeout},
		"controller.Error":                    &controller.Error{Err: fmt.Errorf("any cause")},
		"controller.HardwareFault":            controller.HardwareFault(1),
		"hci.PacketError":                     &hci.PacketError{},
		"hci.ParamError":                      &hci.ParamError{},

		"hcisock.OpenError": &hcisock.OpenError{Err: fmt.Errorf("any cause")},

		"l2cap.ErrLinkDown":       l2cap.ErrLinkDown,
		"l2cap.ErrClosed":         l2cap.ErrClosed,
		"l2cap.ErrPeerClosed":     l2cap.ErrPeerClosed,
		"l2cap.ErrViolation":      l2cap.ErrViolation,
		"l2cap.ErrParamsRejected": l2cap.ErrParamsRejected,
		"l2cap.ErrBusy":           l2cap.ErrBusy,
		"l2cap.ErrNoCID":          l2cap.ErrNoCID,
		"l2cap.ErrReconfigure":    l2cap.ErrReconfigure,
		"l2cap.ConnectError":      &l2cap.ConnectError{Err: l2cap.ResultNoResources},
		"l2cap.ChannelError":      &l2cap.ChannelError{Err: l2cap.ErrPeerClosed},
		"l2cap.RejectError":       &l2cap.RejectError{},
		"l2cap.TimeoutError":      &l2cap.TimeoutError{},
		"l2cap.SignalError":       &l2cap.SignalError{Err: fmt.Errorf("any cause")},

		"att.ErrTransactionTimeout": att.ErrTransactionTimeout,
		"att.ErrMTUExchanged":       att.ErrMTUExchanged,
		"att.ErrBearerLost":         att.ErrBearerLost,
		"att.ErrWrongBearer":        att.ErrWrongBearer,
		"att.ErrUnknownOpcode":      att.ErrUnknownOpcode,
		"att.Error":                 &att.Error{Code: att.CodeReadNotPermitted},
		"att.ProtocolError":         &att.ProtocolError{},
		"att.TooLongError":          &att.TooLongError{},
		"att.MalformedError":        &att.MalformedError{Err: fmt.Errorf("any cause")},

		"gatt.ErrNoCCCD":            gatt.ErrNoCCCD,
		"gatt.ErrNotSubscribed":     gatt.ErrNotSubscribed,
		"gatt.ErrClientUnaware":     gatt.ErrClientUnaware,
		"gatt.ErrClientInsecure":    gatt.ErrClientInsecure,
		"gatt.ErrStale":             gatt.ErrStale,
		"gatt.ErrForgotten":         gatt.ErrForgotten,
		"gatt.ErrNotFound":          gatt.ErrNotFound,
		"gatt.ErrTooManyAttributes": gatt.ErrTooManyAttributes,
		"gatt.ErrDiscoveryTimeout":  gatt.ErrDiscoveryTimeout,
		"gatt.ErrValueTooLong":      gatt.ErrValueTooLong,
		"gatt.ErrNotSubscribable":   gatt.ErrNotSubscribable,
		"gatt.ErrNoEnhanced":        gatt.ErrNoEnhanced,
		"gatt.DiscoveryError":       &gatt.DiscoveryError{Err: &att.Error{Code: att.CodeUnlikelyError}},
		"gatt.PrepareMismatchError": &gatt.PrepareMismatchError{},

		"smp.ErrIdentityDamaged": smp.ErrIdentityDamaged,
		"smp.ErrBondLost":        smp.ErrBondLost,
		"smp.ErrNoBond":          smp.ErrNoBond,
		"smp.ErrKeysDiffer":      smp.ErrKeysDiffer,
		"smp.ErrNoKey":           smp.ErrNoKey,
		"smp.ErrWeakBond":        smp.ErrWeakBond,
		"smp.ErrBondDamaged":     smp.ErrBondDamaged,
		"smp.ErrOpenBond":        smp.ErrOpenBond,
		"smp.ErrBonded":          smp.ErrBonded,
		"smp.ErrTimeout":         smp.ErrTimeout,
		"smp.ErrBusy":            smp.ErrBusy,
		"smp.ErrCanceled":        smp.ErrCanceled,
		"smp.ErrSignature":       smp.ErrSignature,
		"smp.ErrNoSigningKey":    smp.ErrNoSigningKey,
		"smp.ErrOtherController": smp.ErrOtherController,
		"smp.ErrInUse":           smp.ErrInUse,
		"smp.InUseError":         &smp.InUseError{},
		"smp.SaveError":          &smp.SaveError{Err: syscall.ENOSPC},
		"smp.Error":              &smp.Error{Reason: smp.ReasonUnspecified},
		"smp.BondLostError":      &smp.BondLostError{Err: hci.StatusKeyMissing},
	}
}

// codeTypes returns, by code type, a function that makes errors of a constant.
func codeTypes() map[string]func(v uint64) []error {
	return map[string]func(v uint64) []error{
		"hci.Status": func(v uint64) []error {
			s := hci.Status(v)
			if s == hci.StatusSuccess {
				return nil
			}
			return []error{dial(s), refusedDial(s), command(s), ended(s)}
		},
		"att.Code":           func(v uint64) []error { return []error{&att.Error{Code: att.Code(v)}} },
		"l2cap.Result":       func(v uint64) []error { return []error{&l2cap.ConnectError{Err: l2cap.Result(v)}} },
		"l2cap.RejectReason": func(v uint64) []error { return []error{&l2cap.RejectError{Reason: l2cap.RejectReason(v)}} },
		"smp.Reason":         func(v uint64) []error { return []error{&smp.Error{Reason: smp.Reason(v)}} },
		"hcisock.Cause": func(v uint64) []error {
			return []error{&hcisock.OpenError{Cause: hcisock.Cause(v), Err: fmt.Errorf("any cause")}}
		},
	}
}

// TestComplete finds the errors of the stack in its source. It fails if one has no
// row in the table, or no sample here.
func TestComplete(t *testing.T) {
	samples, types := samples(), codeTypes()
	seen := map[string]bool{}
	for _, dir := range stack {
		for _, f := range parse(t, dir) {
			names, codes := exported(f, filepath.Base(dir), types)
			for _, name := range names {
				seen[name] = true
				if types[name] != nil {
					continue
				}
				if samples[name] == nil {
					t.Errorf("%s is new: give samples one, and the table a row if it has none", name)
					continue
				}
				known(t, name, samples[name])
			}
			for name, of := range codes {
				seen[name] = true
				for _, v := range of {
					for _, err := range types[name](v) {
						known(t, name, err)
					}
				}
			}
		}
	}
	for name := range samples {
		if !seen[name] {
			t.Errorf("%s is gone: drop it from samples", name)
		}
	}
	for name := range types {
		if !seen[name] {
			t.Errorf("no constant of %s was found", name)
		}
	}
}

func known(t *testing.T, name string, err error) {
	t.Helper()
	if !errclass.FromStack(err) {
		t.Errorf("%s: %v is not taken for an error of the stack", name, err)
	}
	for _, tr := range []errclass.Treatment{errclass.Default, errclass.Upstream46, errclass.Upstream47} {
		c := tr.Of(err)
		if c.Row == errclass.Unclassified || c.Category == errclass.None {
			t.Errorf("%s: %v is not in the table", name, err)
		}
	}
}

func parse(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(dir), "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// exported returns the exported error variables and types of a file, and the
// values of its constants of code types.
func exported(f *ast.File, pkg string, types map[string]func(uint64) []error) (names []string, codes map[string][]uint64) {
	codes = map[string][]uint64{}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == "Error" && d.Recv != nil {
				recv := d.Recv.List[0].Type
				if star, ok := recv.(*ast.StarExpr); ok {
					recv = star.X
				}
				if id, ok := recv.(*ast.Ident); ok && id.IsExported() {
					names = append(names, pkg+"."+id.Name)
				}
			}
		case *ast.GenDecl:
			typed := ""
			for i, spec := range d.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				if id, ok := v.Type.(*ast.Ident); ok {
					typed = pkg + "." + id.Name
				}
				for j, name := range v.Names {
					switch {
					case d.Tok == token.VAR && strings.HasPrefix(name.Name, "Err"):
						names = append(names, pkg+"."+name.Name)
					case d.Tok == token.CONST && types[typed] != nil && name.IsExported():
						codes[typed] = append(codes[typed], value(v, i, j))
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names, maps.Clone(codes)
}

// value returns the value of a constant: a number, or its index in a list that
// counts from zero.
func value(v *ast.ValueSpec, row, i int) uint64 {
	if i < len(v.Values) {
		if lit, ok := v.Values[i].(*ast.BasicLit); ok {
			if n, err := strconv.ParseUint(lit.Value, 0, 64); err == nil {
				return n
			}
		}
	}
	return uint64(row)
}
