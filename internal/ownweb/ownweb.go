//go:build !minimal

// Package ownweb serves HTTP to the user of this machine. It refuses the requests that web
// pages of elsewhere have a browser send.
package ownweb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Bounds of a connection.
const (
	headerTime = 5 * time.Second  // until a request has its header
	readTime   = 10 * time.Second // until all of it has come
	idleTime   = time.Minute      // between two requests
	maxHeader  = 16 << 10         // octets
)

// Serve serves requests until ctx ends, which is no error. It closes l, and the requests
// under way end with ctx. Names are hosts, beside addresses and localhost, under which
// requests may come.
func Serve(ctx context.Context, l net.Listener, h http.Handler, names ...string) error {
	srv := &http.Server{
		Handler: refusePages(h, names), ReadHeaderTimeout: headerTime, ReadTimeout: readTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = srv.Close()
	})
	err := srv.Serve(l)
	if stop() {
		_ = srv.Close()
	} else {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) || ctx.Err() != nil {
		return nil
	}
	return err
}

// refusePages refuses the requests of web pages of elsewhere: such a page can have a
// browser send requests to this machine, also under a name of its own that leads here.
func refusePages(h http.Handler, names []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		same := func(name string) bool { return strings.EqualFold(name, host) }
		known := same("localhost") || net.ParseIP(host) != nil || slices.ContainsFunc(names, same)
		if origin := r.Header.Get("Origin"); !known || origin != "" && origin != "http://"+r.Host {
			err := fmt.Errorf("web pages of elsewhere may not use this interface: use its address, or %s", strings.Join(append([]string{"localhost"}, names...), " or "))
			AnswerError(w, http.StatusForbidden, err)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// hostOf returns the host of a Host header, without port, brackets and the dot at the end.
func hostOf(header string) string {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = strings.Trim(header, "[]")
	}
	return strings.TrimSuffix(host, ".")
}

// AnswerError answers with a status and an error, as JSON.
func AnswerError(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // the client may have gone
}
