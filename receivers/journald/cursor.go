package journald

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/sluiceio/sluice/internal/statefile"
)

// cursorFile stores the cursor of the last acknowledged entry, in one line with a CRC-32C.
type cursorFile struct {
	path  string    // empty: nothing is stored
	owner io.Closer // holds the lock while we run

	mu    sync.Mutex
	value string
	dirty bool
}

const cursorHead = "sluice-journald-cursor 1 "

// journald's cursors have about 150 bytes.
const cursorMax = 4096

// own locks the file: two processes would overwrite each other's cursor.
func (c *cursorFile) own() (err error) {
	if c.path != "" {
		c.owner, err = statefile.Own(c.path)
	}
	return err
}

func (c *cursorFile) disown() {
	if c.owner != nil {
		c.owner.Close()
	}
}

// load moves a damaged file aside and returns an error; reading then starts at start_at.
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

func (c *cursorFile) get() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

func (c *cursorFile) set(cursor string) {
	if cursor == "" || len(cursor) > cursorMax {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.dirty = cursor, true
}

// save replaces the file atomically, safe against power loss.
func (c *cursorFile) save() error {
	c.mu.Lock()
	value, dirty := c.value, c.dirty
	c.dirty = false
	c.mu.Unlock()
	if !dirty || c.path == "" {
		return nil
	}
	err := statefile.Replace(c.path, []byte(encodeCursor(value)))
	if err != nil {
		c.mu.Lock()
		c.dirty = true
		c.mu.Unlock()
	}
	return err
}
