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
		like: likeOther, do: treatment{category: Fatal, advice: adviceSystem}, why: "this system lacks it or does not allow it",
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
		why: "may come back; another adapter may be there",
	},
	{
		name: "EPIPE", match: []match{errnos(syscall.EPIPE)},
		like: RemoteError{Kind: KindBrokenPipe}, do: broken, why: "the connection to the adapter is gone",
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
		do:   treatment{category: OutOfSlots, budget: BudgetTransient, delay: DelayOutOfSlots, advice: adviceSlots}, why: "resources of the host, or the kernel's error for a full adapter",
	},
	{
		name: "ECONNRESET, ECONNABORTED, ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EIO, EPROTO", match: []match{
			errnos(syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.EIO, syscall.EPROTO)},
		like: likeEOF,
		do:   treatment{category: Connection, budget: BudgetTransient, delay: DelayStack, action: OtherAdapter}, why: "the connection to the adapter or peer broke",
	},
	{
		name: "timeout, deadline, ETIMEDOUT", match: []match{
			is(context.DeadlineExceeded, os.ErrDeadlineExceeded), errnos(syscall.ETIMEDOUT), matchFunc(timeout)},
		like: likeTimeout, do: timedOut, why: "the time of the attempt, or of the whole call",
	},
	{
		name: "l2cap: link is down", match: []match{is(l2cap.ErrLinkDown)},
		like: likeDisconnected, do: treatment{category: Connection, budget: BudgetConnect}, why: "the link ended, for a reason that l2cap does not know",
	},
	{
		name: "EOF", match: []match{is(io.EOF, io.ErrUnexpectedEOF)},
		like: likeEOF, do: away, why: "the stream to the adapter ended",
	},
	{
		name: "controller: link ended without a reason", match: []match{matchFunc(func(s *subject) bool {
			d, ok := errors.AsType[*controller.DisconnectError](s.err)
			return ok && d.Reason == 0 && d.Cause == nil
		})},
		like: likeEOF, do: treatment{category: Connection, budget: BudgetTransient, delay: DelayTransient},
		why: "an event without a reason",
	},
	{
		name: "closed", match: []match{is(net.ErrClosed)},
		like: likeEOF, do: away, why: "the adapter was closed, to reset or reopen it",
	},
}

// timeout reports whether an error has a method Timeout that reports true, as those
// of package net have.
func timeout(s *subject) bool {
	e, ok := errors.AsType[timeouter](s.err)
	return ok && e.Timeout()
}

type timeouter interface {
	error
	Timeout() bool
}
