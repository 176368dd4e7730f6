package spool

import "syscall"

func (f osFile) Allocate(from, size int64) error {
	for {
		if err := syscall.Fallocate(int(f.Fd()), 0, from, size); err != syscall.EINTR {
			return err
		}
	}
}

func (f osFile) sync() error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
