package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// usageError is a mistake in the command line. A command returns it for a command
// line that parses but contradicts itself.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// showUsageError shows a mistake in the command line and returns the exit code. c
// is nil if no command was recognized.
func (a *app) showUsageError(c *command, err error) int {
	name := "moor"
	if c != nil {
		name += " " + c.name
	}
	a.printFailure(err.Error(), "see "+name+" --help", exitClasses[exitUsage], exitUsage)
	return exitUsage
}

// flagError describes a mistake in a flag in a few words, where pflag uses the words
// of package strconv.
func flagError(fs *pflag.FlagSet, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, valueError(invalid))
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		value, _ := pflag.UnquoteUsage(missing.GetFlag())
		return fmt.Errorf("--%[1]s needs a value: --%[1]s %[2]s", missing.GetFlag().Name, value)
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if unknown.GetSpecifiedShortnames() != "" {
			return fmt.Errorf("unknown flag: -%s", unknown.GetSpecifiedName())
		}
		return unknownFlag(unknown.GetSpecifiedName(), fs)
	}
	return err
}

// valueError describes a mistake in the value of a flag.
func valueError(invalid *pflag.InvalidValueError) error {
	number, ok := errors.AsType[*strconv.NumError](invalid)
	switch {
	case !ok:
		return errors.Unwrap(invalid)
	case errors.Is(number, strconv.ErrRange):
		return fmt.Errorf("%q is out of range", invalid.GetValue())
	case number.Func == "ParseBool":
		return fmt.Errorf("%q is neither true nor false", invalid.GetValue())
	case number.Func == "ParseUint":
		return fmt.Errorf("%q is not a whole number from 0 on", invalid.GetValue())
	}
	return fmt.Errorf("%q is not a whole number", invalid.GetValue())
}
