package host

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blakesmith/ar"
	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	_ "github.com/goreleaser/nfpm/v2/rpm"
	"github.com/sassoftware/go-rpmutils"
)

var daemons = []string{"agent", "collector"}

// staged is a copy of what the recipes name, with small programs in place of ours.
func staged(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, d := range daemons {
		if err := os.CopyFS(filepath.Join(root, "configs/host", d), os.DirFS(d)); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, "bin/sluice-"+d), "#!/bin/sh\n", 0o755)
	}
	for _, file := range []string{"LICENSE", "configs/collector.yaml"} {
		write(t, filepath.Join(root, file), read(t, filepath.Join("../..", file)), 0o644)
	}
	return root
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// pack is the package of a daemon, in format "deb" or "rpm".
func pack(t *testing.T, daemon, format string) []byte {
	t.Helper()
	t.Chdir(staged(t))
	env := map[string]string{"VERSION": "1.2.3", "GOARCH": "amd64"}
	cfg, err := nfpm.ParseFileWithEnvMapping("configs/host/"+daemon+"/nfpm.yaml", func(key string) string { return env[key] })
	if err != nil {
		t.Fatal(err)
	}
	info, err := cfg.Get(format)
	if err != nil {
		t.Fatal(err)
	}
	info = nfpm.WithDefaults(info)
	if err := nfpm.Validate(info); err != nil {
		t.Fatal(err)
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := packager.Package(info, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// file is what a package installs, or one of its scripts.
type file struct {
	mode  int64
	owner string
	text  string
}

// deb are the files that a deb installs, and those that control it.
func deb(t *testing.T, b []byte) (data, control map[string]file) {
	t.Helper()
	for r := ar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return data, control
		}
		if err != nil {
			t.Fatal(err)
		}
		switch strings.TrimRight(h.Name, "/ ") {
		case "data.tar.gz":
			data = unpack(t, r)
		case "control.tar.gz":
			control = unpack(t, r)
		}
	}
}

func unpack(t *testing.T, r io.Reader) map[string]file {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]file{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			out[strings.TrimPrefix(h.Name, ".")] = file{h.Mode & 0o777, h.Uname, string(text)}
		}
	}
}

// installed is what the packages of a daemon have, with modes.
func installed(daemon string) []string {
	return []string{
		"/etc/sluice/" + daemon + ".env 600 root",
		"/etc/sluice/" + daemon + ".yaml 644 root",
		"/usr/bin/sluice-" + daemon + " 755 root",
		"/usr/lib/systemd/system/sluice-" + daemon + ".service 644 root",
		"/usr/lib/sysusers.d/sluice-" + daemon + ".conf 644 root",
		"/usr/share/doc/sluice-" + daemon + "/copyright 644 root",
	}
}

func TestDeb(t *testing.T) {
	for _, daemon := range daemons {
		t.Run(daemon, func(t *testing.T) {
			data, control := deb(t, pack(t, daemon, "deb"))
			var got []string
			for name, f := range data {
				if strings.HasPrefix(name, "/usr/share/doc/") && strings.HasSuffix(name, "changelog.Debian.gz") {
					continue
				}
				got = append(got, fmt.Sprintf("%s %o %s", name, f.mode, f.owner))
			}
			slices.Sort(got)
			if want := installed(daemon); !slices.Equal(got, want) {
				t.Errorf("it has\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			want := "/etc/sluice/" + daemon + ".env\n/etc/sluice/" + daemon + ".yaml\n"
			conffiles := strings.Split(strings.TrimSpace(control["/conffiles"].text), "\n")
			slices.Sort(conffiles)
			if got := strings.Join(conffiles, "\n") + "\n"; got != want {
				t.Errorf("an upgrade keeps changes of\n%s, not of\n%s", got, want)
			}
			for _, script := range []string{"/postinst", "/prerm", "/postrm"} {
				if control[script].text == "" {
					t.Errorf("it has no %s", script)
				}
			}
			for _, line := range []string{"Package: sluice-" + daemon, "Version: 1.2.3", "Architecture: amd64", "Depends: systemd"} {
				if !strings.Contains(control["/control"].text, line+"\n") {
					t.Errorf("control lacks %q:\n%s", line, control["/control"].text)
				}
			}
		})
	}
}

func TestRPM(t *testing.T) {
	const config, noReplace = 1 << 0, 1 << 4
	for _, daemon := range daemons {
		t.Run(daemon, func(t *testing.T) {
			r, err := rpmutils.ReadRpm(bytes.NewReader(pack(t, daemon, "rpm")))
			if err != nil {
				t.Fatal(err)
			}
			files, err := r.Header.GetFiles()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				got = append(got, fmt.Sprintf("%s %o %s", f.Name(), f.Mode()&0o777, f.UserName()))
				if kept := f.Flags()&config != 0 && f.Flags()&noReplace != 0; kept != strings.HasPrefix(f.Name(), "/etc/") {
					t.Errorf("%s: an upgrade keeps changes: %v", f.Name(), kept)
				}
			}
			slices.Sort(got)
			if want := installed(daemon); !slices.Equal(got, want) {
				t.Errorf("it has\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}
