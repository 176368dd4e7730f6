//go:build !linux

package spool

import "errors"

// Allocate is an optimisation: without it files grow as they are written.
func (f osFile) Allocate(_, _ int64) error { return errors.ErrUnsupported }

// sync is os.File's, which waits for the platter.
func (f osFile) sync() error { return f.File.Sync() }
