package journald

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

const (
	startAtEnd       = "end"
	startAtBeginning = "beginning"
	maxLinger        = time.Minute
)

// Config uses the Collector's key names and meanings where they exist.
type Config struct {
	// Units selects systemd units.
	Units []string `mapstructure:"units"`
	// Identifiers selects syslog identifiers.
	Identifiers []string `mapstructure:"identifiers"`
	// Priority selects this priority and more important ones (name or number), or a range: err..alert.
	Priority string `mapstructure:"priority"`
	// Directory is the journal's folder; empty: the machine's journal.
	Directory string `mapstructure:"directory"`
	// Namespace is the journal namespace; empty: the default one.
	Namespace string `mapstructure:"namespace"`
	// StartAt is where to start without a stored cursor: "end" or "beginning".
	StartAt string `mapstructure:"start_at"`
	// CheckpointDir is the cursor's folder; empty: the receiver's folder in the data directory.
	CheckpointDir string `mapstructure:"checkpoint_dir"`
	// Linger is how long an entry waits for more, to be sent in one request with them. 0: a request leaves when journalctl has
	// no more at that moment.
	Linger time.Duration `mapstructure:"linger"`
	// AllFields adds all other journal fields as journald.<field in lower case>.
	AllFields bool `mapstructure:"all_fields"`
	// JournalctlPath is the program to run.
	JournalctlPath string `mapstructure:"journalctl_path"`
}

// Default returns the default configuration.
func Default() *Config {
	return &Config{Priority: "info", StartAt: startAtEnd, Linger: time.Second, JournalctlPath: "journalctl"}
}

// Validate reports all faults at once.
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
	fault(c.Linger < 0 || c.Linger > maxLinger, `"linger" is %s: set 0 to %s; the default is 1s`, c.Linger, maxLinger)
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

// arguments makes journalctl follow after a cursor or, without one, from start_at. With "end" it also requests one old
// entry, whose cursor is where the next start continues if nothing else arrives.
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
	}, pipeline.Logs).WithDoc("The systemd journal, by journalctl, with its cursor kept after delivery").Replaying().WithUnsupported(map[string]string{
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
