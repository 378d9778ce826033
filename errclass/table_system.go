package errclass

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/l2cap"
)

var systemRows = []row{
	{
		name: "context canceled", match: []match{is(context.Canceled), causes(hcisock.CauseCanceled)},
		like: likeOther, do: canceled, why: "the caller gave up",
	},
	{
		name: "adapter may not be opened", match: []match{
			causes(hcisock.CauseAddress, hcisock.CauseUnsupported, hcisock.CauseNoBluetooth, hcisock.CauseNamespace, hcisock.CausePermission),
			errnos(syscall.EPERM, syscall.EACCES, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT),
		},
		like: likeOther, do: treatment{category: Fatal, advice: adviceSystem}, why: "this system does not allow or have it",
	},
	{
		name: "adapter missing, busy, switched off or not starting", match: []match{
			causes(hcisock.CauseNoAdapter, hcisock.CauseBusy, hcisock.CauseRFKill, hcisock.CauseDriver, hcisock.CauseUnreachable, hcisock.CauseUnknown),
			errnos(syscall.ENETDOWN, syscall.ENODEV),
		},
		like: likeNotReady,
		do: treatment{
			category: Connection, budget: BudgetConnect, delay: DelayStack,
			action: RecoverAdapter | OtherAdapter, advice: adviceAdapter,
		},
		why: "may come back; another adapter is there already",
	},
	{
		name: "EPIPE", match: []match{errnos(syscall.EPIPE)},
		like: RemoteError{Kind: KindBrokenPipe}, do: broken, why: "the way to the adapter is gone",
	},
	{
		name: "EINVAL, EBADF, EOPNOTSUPP", match: []match{errnos(syscall.EINVAL, syscall.EBADF, syscall.EOPNOTSUPP)},
		like: likeOther, do: fatal, why: "a mistake in the call",
	},
	{
		name: "EINTR, EAGAIN, EBUSY, EALREADY, EINPROGRESS", match: []match{
			errnos(syscall.EINTR, syscall.EAGAIN, syscall.EBUSY, syscall.EALREADY, syscall.EINPROGRESS)},
		like: likeInProgress,
		do:   treatment{category: Connection, budget: BudgetConnect, delay: DelayStack, advice: adviceBusy}, why: "in use for the moment",
	},
	{
		name: "ENOMEM, ENOBUFS, EMLINK, EMFILE", match: []match{errnos(syscall.ENOMEM, syscall.ENOBUFS, syscall.EMLINK, syscall.EMFILE)},
		like: RemoteError{Kind: KindDBus, Text: "[org.bluez.Error.Failed] le-connection-concurrent-connection-limit"},
		do:   treatment{category: OutOfSlots, budget: BudgetTransient, delay: DelayOutOfSlots, advice: adviceSlots}, why: "the host's resources, or the kernel's word for a full adapter",
	},
	{
		name: "ECONNRESET, ECONNABORTED, ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EIO, EPROTO", match: []match{
			errnos(syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.EIO, syscall.EPROTO)},
		like: likeEOF,
		do:   treatment{category: Connection, budget: BudgetTransient, delay: DelayStack, action: OtherAdapter}, why: "the way to the adapter or peer broke",
	},
	{
		name: "timeout, deadline, ETIMEDOUT", match: []match{
			is(context.DeadlineExceeded, os.ErrDeadlineExceeded), errnos(syscall.ETIMEDOUT), matchFunc(timeout)},
		like: likeTimeout, do: timedOut, why: "whether it was the attempt's time or all of it, the caller knows",
	},
	{
		name: "l2cap: link is down", match: []match{is(l2cap.ErrLinkDown)},
		like: likeDisconnected, do: treatment{category: Connection, budget: BudgetConnect}, why: "the link ended, for a reason that is not known here",
	},
	{
		name: "adapter ended", match: []match{as[*controller.Error](), is(io.EOF, io.ErrUnexpectedEOF)},
		like: likeEOF, do: broken, why: "the adapter went, or the stream to it",
	},
	{
		name: "closed", match: []match{is(net.ErrClosed)},
		like: likeEOF,
		do:   treatment{category: Connection, budget: BudgetTransient, delay: DelayStack, action: OtherAdapter},
		why:  "the adapter or link was closed, as to restart it: a closed thing says no more",
	},
}

// timeout reports whether an error calls itself a timeout, as those of package
// net do.
func timeout(s *subject) bool {
	e, ok := errors.AsType[timeouter](s.err)
	return ok && e.Timeout()
}

type timeouter interface {
	error
	Timeout() bool
}
