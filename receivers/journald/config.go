package journald

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
)

const (
	startAtEnd       = "end"
	startAtBeginning = "beginning"
)

// Config is what a user sets. The keys that the Collector's journald receiver has mean what they mean there.
type Config struct {
	// Units limits reading to these systemd units.
	Units []string `mapstructure:"units"`
	// Identifiers limits reading to these syslog identifiers.
	Identifiers []string `mapstructure:"identifiers"`
	// Priority limits reading to this priority and the more important ones (a name or a number), or to a range: err..alert.
	Priority string `mapstructure:"priority"`
	// Directory is the folder of the journal files; empty: the machine's own.
	Directory string `mapstructure:"directory"`
	// Namespace is the journal namespace; empty: the default one.
	Namespace string `mapstructure:"namespace"`
	// StartAt says where reading begins when no cursor is kept: "end" or "beginning".
	StartAt string `mapstructure:"start_at"`
	// CheckpointDir is the folder of the cursor file; empty: the receiver's own folder in the data directory.
	CheckpointDir string `mapstructure:"checkpoint_dir"`
	// AllFields adds every journal field that has no attribute of its own as journald.<field in lower case>.
	AllFields bool `mapstructure:"all_fields"`
	// JournalctlPath is the program to run.
	JournalctlPath string `mapstructure:"journalctl_path"`
}

// Default is the configuration without a file.
func Default() *Config {
	return &Config{Priority: "info", StartAt: startAtEnd, JournalctlPath: "journalctl"}
}

// Validate reports every fault at once.
func (c *Config) Validate() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	from, to, isRange := strings.Cut(c.Priority, "..")
	fault(!isPriority(from) || isRange && !isPriority(to), `"priority" is %q: set emerg, alert, crit, err, warning, notice, info, debug, 0 to 7, or a range like err..alert`, c.Priority)
	fault(c.StartAt != startAtEnd && c.StartAt != startAtBeginning, `"start_at" is %q: set end or beginning`, c.StartAt)
	fault(c.JournalctlPath == "", `"journalctl_path" is empty: set journalctl`)
	fault(slices.Contains(c.Units, ""), `"units" has an empty name: name a unit, for example ssh.service`)
	fault(slices.Contains(c.Identifiers, ""), `"identifiers" has an empty name: name a syslog identifier, for example sshd`)
	return errors.Join(errs...)
}

func isPriority(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n >= 0 && n < len(priorities)
	}
	return slices.Contains(priorities[:], s)
}

// arguments are those of journalctl, to follow from behind a cursor or, without one, from where start_at says. At the
// end there is one entry that is older than our start: its cursor is where the next start goes on, should nothing
// come until then.
func (c *Config) arguments(cursor string) []string {
	args := []string{"--output=export", "--follow", "--quiet", "--utc", "--priority=" + c.Priority}
	for _, u := range c.Units {
		args = append(args, "--unit="+u)
	}
	for _, i := range c.Identifiers {
		args = append(args, "--identifier="+i)
	}
	if c.Directory != "" {
		args = append(args, "--directory="+c.Directory)
	}
	if c.Namespace != "" {
		args = append(args, "--namespace="+c.Namespace)
	}
	switch {
	case cursor != "":
		return append(args, "--no-tail", "--after-cursor="+cursor)
	case c.StartAt == startAtBeginning:
		return append(args, "--no-tail")
	}
	return append(args, "--lines=1")
}

// Component describes the receiver to the engine.
func Component() pipeline.Component {
	return pipeline.Receiver("journald", Default, func(s pipeline.Settings, c *Config, out pipeline.Outputs) (any, error) {
		return New(s, c, out)
	}, pipeline.Logs).WithDoc("The systemd journal, by journalctl, with its cursor kept after delivery").WithUnsupported(map[string]string{
		"files":                 "take it out, and name the folder of the journal files as directory",
		"matches":               "take it out; filter with units, identifiers and priority",
		"grep":                  "take it out; filter with units, identifiers and priority",
		"dmesg":                 "take it out; kernel messages are read already, with journald.transport kernel",
		"merge":                 "take it out; the journals that journalctl finds are merged",
		"all":                   "take it out; fields are not shortened below 4 KiB, messages not below 64 KiB",
		"convert_message_bytes": "take it out; messages are always text",
		"root_path":             "take it out, and name the host's folder of journal files as directory",
		"storage":               "take it out; the cursor is kept in the data directory, or in checkpoint_dir",
		"retry_on_failure":      "take it out; what is refused is repeated until it is taken",
		"operators":             "take it out; records are not parsed",
		"attributes":            "take it out; attributes of records cannot be added here",
		"resource":              "take it out, and use the resource processor",
	})
}
