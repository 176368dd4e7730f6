package finder

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// watches are inotify watches on folders, polled each round. Folders without a watch are swept.
type watches struct {
	fd   int            // 0: not opened yet; -1: unavailable
	dirs map[int]string // by watch
	buf  []byte
}

const events = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// local are file systems whose changes all go through this kernel.
var local = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true,
	unix.F2FS_SUPER_MAGIC: true, unix.MSDOS_SUPER_MAGIC: true, unix.OVERLAYFS_SUPER_MAGIC: true, unix.RAMFS_MAGIC: true,
	0x2fc12fc1: true, // ZFS
}

// add must be called before the folder is listed.
func (w *watches) add(dir string, d *Folder) {
	var fs unix.Statfs_t
	d.remote = unix.Statfs(dir, &fs) != nil || !local[int64(fs.Type)]
	if w.fd == 0 {
		fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
		if err != nil {
			fd = -1
		}
		w.fd, w.dirs, w.buf = fd, map[int]string{}, make([]byte, 64<<10)
	}
	if w.fd < 0 || d.remote {
		return
	}
	wd, err := unix.InotifyAddWatch(w.fd, dir, events)
	if err != nil {
		return
	}
	if other, taken := w.dirs[wd]; taken && other != dir {
		return // same folder under another name; only that name gets events
	}
	w.dirs[wd] = dir
	d.watch = wd
}

func (w *watches) remove(d *Folder) {
	if d.watch == 0 {
		return
	}
	delete(w.dirs, d.watch)
	unix.InotifyRmWatch(w.fd, uint32(d.watch))
	d.watch = 0
}

// read passes on pending events. all: the kernel's queue overflowed.
func (w *watches) read(each func(dir string, watch int, gone bool)) (all bool) {
	if w.fd <= 0 {
		return false
	}
	for {
		n, err := unix.Read(w.fd, w.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n < unix.SizeofInotifyEvent {
			return all
		}
		for b := w.buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			watch := int(int32(binary.NativeEndian.Uint32(b)))
			mask := binary.NativeEndian.Uint32(b[4:])
			size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
			b = b[min(size, len(b)):]
			if mask&unix.IN_Q_OVERFLOW != 0 {
				all = true
				continue
			}
			dir, ok := w.dirs[watch]
			if !ok {
				continue
			}
			gone := mask&(unix.IN_IGNORED|unix.IN_MOVE_SELF|unix.IN_DELETE_SELF) != 0
			each(dir, watch, gone)
			if gone {
				delete(w.dirs, watch)
				unix.InotifyRmWatch(w.fd, uint32(watch)) // a moved folder counts as another one
			}
		}
	}
}

func (w *watches) close() {
	if w.fd > 0 {
		unix.Close(w.fd)
	}
	w.fd, w.dirs = -1, nil
}
