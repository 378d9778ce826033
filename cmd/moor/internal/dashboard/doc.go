//go:build !minimal

// Package dashboard shows a running proxy to people and to Prometheus, over HTTP:
//
//   - GET / is a page for a person: adapters, devices on air, links, slots, clients and the
//     latest failures with their advice. It fetches nothing from elsewhere.
//   - GET /state is the same as JSON, and GET /events the same again every two seconds, as
//     server-sent events.
//   - GET /metrics is the text format of Prometheus.
//
// Nothing can be changed there. All the same it is for this machine: it shows which devices
// are near. Requests under names that are not this machine's are refused, since a page of
// anywhere can have a browser send them.
//
// A [Dashboard] has one goroutine, Run, that takes the events of the Manager and samples the
// signal strengths (record.go). Requests read the result under one mutex
// (state.go, metrics.go, http.go). page.html, page.css and page.js are the page; text of
// devices reaches it as text alone, never as HTML.
package dashboard
