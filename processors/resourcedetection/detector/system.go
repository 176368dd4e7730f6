package detector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// HostnameSources are the ways to a host name: its full name in DNS, what the kernel says, its canonical name, and the name
// of its address.
var HostnameSources = []string{"dns", "os", "cname", "lookup"}

// system is the machine.
type system struct {
	sources []string // HostnameSources to try in order
	root    string   // of /etc and /proc
}

// Detect gives all that it finds; only the lack of a host name is an error.
func (d *system) Detect(ctx context.Context) (Attributes, error) {
	host, err := d.host(ctx)
	if err != nil {
		return nil, err
	}
	release := d.pairs("etc/os-release", "=")
	found := Attributes{
		"host.name": host, "os.type": runtime.GOOS, "host.arch": architecture(), "host.id": d.machineID(),
		"os.version": release["VERSION_ID"], "os.name": release["NAME"], "os.build.id": release["BUILD_ID"],
		"os.description": description(release["PRETTY_NAME"]),
	}
	d.network(found)
	d.processor(found)
	return found, nil
}

func (d *system) host(ctx context.Context) (string, error) {
	sources := d.sources
	if len(sources) == 0 {
		sources = []string{"dns", "os"}
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("the kernel does not say its host name: %w", err)
	}
	var errs []error
	for _, source := range sources {
		got, err := name, error(nil)
		switch source {
		case "dns":
			got, err = fullName(ctx, name)
		case "cname":
			got, err = net.DefaultResolver.LookupCNAME(ctx, name)
		case "lookup":
			got, err = addressName(ctx, name)
		}
		if got = strings.TrimSuffix(got, "."); err == nil && got != "" {
			return got, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", source, err))
	}
	return "", fmt.Errorf("no source has a host name: %w", errors.Join(errs...))
}

var errNoName = errors.New("no address of the host has a full name")

// fullName is the host's name with its domain.
func fullName(ctx context.Context, host string) (string, error) {
	if strings.Contains(host, ".") {
		return host, nil
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", err
	}
	for _, a := range addresses {
		names, _ := net.DefaultResolver.LookupAddr(ctx, a)
		for _, n := range names {
			if n = strings.TrimSuffix(n, "."); strings.Contains(n, ".") && !strings.HasPrefix(n, "localhost.") {
				return n, nil
			}
		}
	}
	return "", errNoName
}

func addressName(ctx context.Context, host string) (string, error) {
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", err
	}
	for _, a := range addresses {
		if names, err := net.DefaultResolver.LookupAddr(ctx, a); err == nil && len(names) > 0 {
			return names[0], nil
		}
	}
	return "", errNoName
}

func architecture() string {
	switch runtime.GOARCH {
	case "386":
		return "x86"
	case "arm":
		return "arm32"
	}
	return runtime.GOARCH
}

func (d *system) machineID() string {
	for _, f := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		if b, err := os.ReadFile(filepath.Join(d.root, f)); err == nil {
			return text(b)
		}
	}
	return ""
}

// pairs reads a file of names and values; the first of each name counts.
func (d *system) pairs(file, separator string) map[string]string {
	out := map[string]string{}
	b, _ := os.ReadFile(filepath.Join(d.root, file))
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(line, separator)
		name = strings.TrimSpace(name)
		if _, have := out[name]; ok && !have {
			out[name] = strings.Trim(text([]byte(value)), `"'`)
		}
	}
	return out
}

// description is as in the Go SDK: the release, and what uname says.
func description(release string) string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return release
	}
	kernel := strings.Join([]string{unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Nodename[:]), unix.ByteSliceToString(u.Release[:]),
		unix.ByteSliceToString(u.Version[:]), unix.ByteSliceToString(u.Machine[:])}, " ")
	return strings.TrimSpace(release + " (" + kernel + ")")
}

// network adds the interfaces that are up, without the loopback.
func (d *system) network(found Attributes) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return
	}
	var names, ips, macs []string
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		names = append(names, i.Name)
		if len(i.HardwareAddr) > 0 {
			macs = append(macs, strings.ToUpper(strings.ReplaceAll(i.HardwareAddr.String(), ":", "-")))
		}
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok {
				ips = append(ips, n.IP.String())
			}
		}
	}
	found["host.interface"], found["host.ip"], found["host.mac"] = names, ips, macs
}

func (d *system) processor(found Attributes) {
	cpu := d.pairs("proc/cpuinfo", ":")
	for name, of := range map[string]string{
		"host.cpu.vendor.id": "vendor_id", "host.cpu.family": "cpu family", "host.cpu.model.id": "model", "host.cpu.model.name": "model name", "host.cpu.stepping": "stepping",
	} {
		found[name] = cpu[of]
	}
	if n, err := strconv.ParseInt(strings.TrimSuffix(cpu["cache size"], " KB"), 10, 64); err == nil {
		found["host.cpu.cache.l2.size"] = n
	}
}
