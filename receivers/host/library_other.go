//go:build !linux

package host

// The node exporter's collectors for other systems need cgo, and their names and meanings are others.
const supported = false

func isCollector(string) bool { return true }

func (r *Receiver) open() error { return nil }
