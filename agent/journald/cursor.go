package journald

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// cursorFile keeps the place in the journal: one line, a CRC-32C and the cursor of the last entry that the pipeline
// has answered for.
type cursorFile struct {
	path string // empty: nothing is kept

	mu    sync.Mutex
	value string
	dirty bool
}

const cursorHead = "sluice-journald-cursor 1 "

// cursorMax bounds what is taken for a cursor; journald's have some 150 bytes.
const cursorMax = 4096

// load reads the file. Damage is an error, and the file is moved aside: reading then begins where start_at says.
func (c *cursorFile) load() error {
	if c.path == "" {
		return nil
	}
	b, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var value string
	if err == nil {
		value, err = decodeCursor(string(b))
	}
	if err != nil {
		return errors.Join(err, os.Rename(c.path, c.path+".damaged"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = value
	return nil
}

func encodeCursor(cursor string) string {
	text := cursorHead + cursor
	return fmt.Sprintf("%08x %s\n", crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)), text)
}

func decodeCursor(line string) (string, error) {
	sum, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	want, err := strconv.ParseUint(sum, 16, 32)
	cursor, ok := strings.CutPrefix(text, cursorHead)
	if err != nil || !ok || cursor == "" || len(cursor) > cursorMax || strings.ContainsAny(cursor, "\n\x00") {
		return "", errors.New("not a cursor file")
	}
	if crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)) != uint32(want) {
		return "", errors.New("the checksum does not match")
	}
	return cursor, nil
}

// get is the cursor, or nothing when none is known.
func (c *cursorFile) get() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// set moves the cursor; save writes it down.
func (c *cursorFile) set(cursor string) {
	if cursor == "" || len(cursor) > cursorMax {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.dirty = cursor, true
}

// save replaces the file if the cursor moved: afterwards there is the old one or the new one, also after a power cut.
func (c *cursorFile) save() error {
	c.mu.Lock()
	value, dirty := c.value, c.dirty
	c.dirty = false
	c.mu.Unlock()
	if !dirty || c.path == "" {
		return nil
	}
	err := writeFile(c.path, encodeCursor(value))
	if err != nil {
		c.mu.Lock()
		c.dirty = true
		c.mu.Unlock()
	}
	return err
}

func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot make the cursor's folder: %w", err)
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	return err
}
