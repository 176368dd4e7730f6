package statefile

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain is the tests' main, or that of a process that owns a file until it is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("OWN_FILE"); path != "" {
		if _, err := Own(path); err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("owned\n")
		io.Copy(io.Discard, os.Stdin) // until it is killed, or the test is
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestOneOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state")
	first, err := Own(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Own(path); !errors.Is(err, ErrTaken) {
		t.Errorf("a second owner: %v", err)
	}
	if other, err := Own(path + "2"); err != nil {
		t.Errorf("another file: %v", err)
	} else {
		other.Close()
	}
	first.Close()
	again, err := Own(path)
	if err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
	again.Close()
}

// TestAKilledOwnerLeavesNoLock: nobody has to remove a file by hand after kill -9.
func TestAKilledOwnerLeavesNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "OWN_FILE="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "owned\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := Own(path); !errors.Is(err, ErrTaken) {
		t.Errorf("while the other lives: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	f, err := Own(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state")
	for _, text := range []string{"a long one", "short"} {
		if err := Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(path); string(b) != text {
			t.Errorf("have %q, want %q", b, text)
		}
	}
	// A folder in the file's place: the failure leaves nothing half done beside it.
	blocked := filepath.Join(filepath.Dir(path), "blocked")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(blocked, nil); err == nil {
		t.Error("a folder was replaced")
	}
	if _, err := os.Stat(blocked + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the new content is left behind: %v", err)
	}
}
