package controller

import (
	"context"

	"github.com/moor-ble/moor/internal/queue"
)

// spareReports is how many reports a reportQueue keeps for use again.
const spareReports = 32

// keptReport is a Report with memory of its own for the data.
type keptReport struct {
	Report
	octets []byte
}

// copyReport makes k a copy of r.
func (k *keptReport) copyReport(r *Report) {
	k.octets = append(append(k.octets[:0], r.Data...), r.Response...)
	k.Report = *r
	n := len(r.Data)
	if k.Data = nil; n > 0 {
		k.Data = k.octets[:n:n]
	}
	if k.Response = nil; len(r.Response) > 0 {
		k.Response = k.octets[n:]
	}
}

// reportQueue is the queue of a Scanner. Its reports are used again, so that a program
// that keeps pace costs no allocation.
type reportQueue struct {
	waiting *queue.Ring[*keptReport]
	spare   chan *keptReport
	last    *keptReport // the one that the caller of nextReport has
}

func newReportQueue(limit int) *reportQueue {
	return &reportQueue{waiting: queue.New[*keptReport](limit), spare: make(chan *keptReport, spareReports)}
}

// pushReport appends a copy of r, and drops the oldest report if the queue is full.
func (q *reportQueue) pushReport(r *Report) {
	var k *keptReport
	select {
	case k = <-q.spare:
	default:
		k = new(keptReport)
	}
	k.copyReport(r)
	if old, full := q.waiting.Push(k); full {
		q.recycleReport(old)
	}
}

func (q *reportQueue) recycleReport(k *keptReport) {
	select {
	case q.spare <- k:
	default:
	}
}

// nextReport waits for the oldest report, which is valid until the next call.
func (q *reportQueue) nextReport(ctx context.Context) (Report, error) {
	if q.last != nil {
		q.recycleReport(q.last)
		q.last = nil
	}
	k, err := q.waiting.Next(ctx)
	if err != nil {
		return Report{}, err
	}
	q.last = k
	return k.Report, nil
}
