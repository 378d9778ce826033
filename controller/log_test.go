package controller

import (
	"context"
	"log/slog"
)

// logRecorder records the messages of LevelController and above.
type logRecorder struct{ messages []string }

func (l *logRecorder) Enabled(_ context.Context, level slog.Level) bool {
	return level >= LevelController
}

func (l *logRecorder) Handle(_ context.Context, r slog.Record) error {
	l.messages = append(l.messages, r.Message)
	return nil
}

func (l *logRecorder) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *logRecorder) WithGroup(string) slog.Handler      { return l }
