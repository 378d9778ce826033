package connmgr

import (
	"context"
	"time"

	"github.com/moor-ble/moor/errclass"
)

// DefaultRetries is the attempts of Retry that bleak-retry-connector's
// decorator makes by default.
const DefaultRetries = 2

// Retry calls op up to attempts times, until it succeeds or fails with an
// error that another try does not help, and waits in between as the class of
// the error asks. It returns the last error unchanged. A timeout is not tried
// again, so that the caller's own timeouts do not multiply. With attempts 0, op
// is not called and the zero value returned. It makes no connection.
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

// Retryable reports whether the failure that err stands for may pass. It is
// the counterpart of BLEAK_RETRY_EXCEPTIONS.
func Retryable(err error) bool { return errclass.Retryable(err) }

// sleep waits for d or the end of ctx, whose cause it returns.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
