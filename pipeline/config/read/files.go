package read

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// written are _file keys of files that are written, not read.
var written = []string{"scrape_failure_log_file", "query_log_file"}

// files checks that the files in *_file keys can be read; otherwise this would fail only after the running
// components were stopped.
func (d *reading) files(value any, below []string) {
	switch v := Unwrap(value).(type) {
	case map[string]any:
		readable := map[string]bool{}
		for _, key := range d.keys(v, below) {
			path := Extend(below, key)
			name, isText := Unwrap(v[key]).(string)
			if !isText || name == "" || !strings.HasSuffix(key, "_file") || slices.Contains(written, key) {
				d.files(v[key], path)
				continue
			}
			text, err := readRegular(name)
			switch {
			case err != nil:
				d.Fault(d.At(path), "cannot read the file: %s", cause(err))
			case strings.HasSuffix(key, "ca_file") && !x509.NewCertPool().AppendCertsFromPEM(text):
				d.Fault(d.At(path), "the file has no certificate in PEM form")
			default:
				readable[key] = true
			}
		}
		if readable["cert_file"] && readable["key_file"] {
			if _, err := tls.LoadX509KeyPair(Unwrap(v["cert_file"]).(string), Unwrap(v["key_file"]).(string)); err != nil {
				d.Fault(d.At(Extend(below, "cert_file")), "certificate and key cannot be used: %s", err)
			}
		}
	case []any:
		for i, item := range v {
			d.files(item, Extend(below, strconv.Itoa(i)))
		}
	}
}

// readRegular reads a regular file only: a pipe would not end.
func readRegular(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	}
	return os.ReadFile(name)
}

// cause drops the path from an error, which may come from a variable.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
