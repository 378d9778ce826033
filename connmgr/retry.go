package connmgr

import (
	"context"

	"github.com/moor-ble/moor/errclass"
)

// DefaultRetries is the default number of attempts of bleak-retry-connector's
// decorator.
const DefaultRetries = 2

// Retry calls op until it succeeds, up to attempts times, and waits in between as the
// class of the error demands. It stops at an error that another try does not help, and
// at a timeout, so that the timeouts of the caller do not multiply. It returns the last
// error unchanged. With attempts 0 it returns the zero value without a call. It makes no
// connection.
func Retry[T any](ctx context.Context, attempts int, op func(ctx context.Context) (T, error)) (v T, err error) {
	waits := errclass.DefaultBackoffs()
	for i := range attempts {
		v, err = op(ctx)
		if err == nil || i == attempts-1 {
			return v, err
		}
		c := errclass.Of(err)
		if !c.Retried() || c.Budget == errclass.BudgetTimeout || ctx.Err() != nil {
			return v, err
		}
		if sleep(ctx, waits.For(c.OpDelay)) != nil {
			return v, err
		}
	}
	return v, err
}

// Retryable reports whether the failure behind err may pass, as that of Options.Ready for
// a reason of the program's own always may. It is the counterpart of
// BLEAK_RETRY_EXCEPTIONS.
func Retryable(err error) bool { return isOwnFailure(err) || errclass.Retryable(err) }
