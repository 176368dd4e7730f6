package pipeline

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestLibrariesAreQuieter(t *testing.T) {
	var b bytes.Buffer
	s := Settings{Log: slog.New(slog.NewTextHandler(&b, nil))}
	log := s.LibraryLog().With("a", 1).WithGroup("g")
	log.Info("replaying")
	log.Warn("damaged")
	if out := b.String(); strings.Contains(out, "replaying") || !strings.Contains(out, "damaged") {
		t.Errorf("got %q", out)
	}
	b.Reset()
	s.Log = slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.LibraryLog().Info("replaying")
	if !strings.Contains(b.String(), "level=DEBUG") {
		t.Errorf("got %q", b.String())
	}
}
