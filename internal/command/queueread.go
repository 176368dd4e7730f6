package command

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
	"github.com/sluiceio/sluice/wire/otlpjson"
)

var errEnough = errors.New("enough")

func (c *cli) queueInspect() *cobra.Command {
	most := 5
	cmd := &cobra.Command{
		Use: "inspect DIR", Short: "show segments, cursor and the first unsettled records of a queue, a lane or dead letters", Args: oneFolder,
		RunE: func(_ *cobra.Command, args []string) error {
			logs, err := logsIn(args[0], true)
			if err != nil {
				return err
			}
			for _, dir := range logs {
				if err := c.inspect(dir, most); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&most, "records", most, "show the headers of the first `N` records")
	return cmd
}

func (c *cli) inspect(dir string, most int) error {
	r, err := spool.Inspect(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s: %d unsettled records; settled below record %d, and %d behind it\n", dir, r.Unsettled, r.Cursor, r.Beyond)
	for _, s := range r.Segments {
		state := "open"
		if s.Closed {
			state = "closed"
		}
		records := "no records"
		if s.End > s.First {
			records = fmt.Sprintf("records %d to %d", s.First, s.End-1)
		}
		fmt.Fprintf(c.out, "  %s: %s, %d items, file %s, %s", filepath.Base(s.File), records, s.Totals.Count, size(uint64(s.Bytes)), state)
		if s.Error != nil {
			fmt.Fprintf(c.out, ", cannot be read: %v", s.Error)
		}
		fmt.Fprintln(c.out)
	}
	n := 0
	_, err = spool.ScanUnsettled(dir, func(e spool.Entry) error {
		if n++; n > most {
			return errEnough
		}
		fmt.Fprintf(c.out, "  record %d: %s\n", e.Seq, describe(e))
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return err
}

func describe(e spool.Entry) string {
	text := fmt.Sprintf("%d items, %s, stored %s", e.Count, size(uint64(len(e.Body))), time.Unix(0, e.Time).UTC().Format(time.RFC3339))
	h, err := queue.ParseHeader(e.Header)
	if err != nil {
		return text + ", " + err.Error()
	}
	text = h.Signal.String() + ", " + text
	if h.Encoding != "" {
		text += fmt.Sprintf(", %s of %s", printable(h.Encoding), size(uint64(h.Size)))
	}
	if h.Rejected > 0 {
		text += fmt.Sprintf(", %d of the items were rejected (which ones is unknown) and the others taken", h.Rejected)
	}
	for _, f := range []struct{ name, value string }{{"tenant", h.Tenant}, {"route", h.Route}, {"reason", h.Reason}, {"words", h.Words}} {
		if f.value != "" {
			text += fmt.Sprintf(", %s %q", f.name, f.value)
		}
	}
	return text
}

// progress writes to stderr how far long work is, every few seconds.
func (c *cli) progress(what string) func(done, total int64) { return progressTo(c.err, what) }

func progressTo(w io.Writer, what string) func(done, total int64) {
	last := time.Now()
	return func(done, total int64) {
		if now := time.Now(); now.Sub(last) >= 2*time.Second {
			last = now
			fmt.Fprintf(w, "%s: %s of %s\n", what, size(uint64(done)), size(uint64(total)))
		}
	}
}

func (c *cli) queueVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify DIR", Short: "check every record of a queue, a lane or dead letters; exit code 1 when there is damage", Args: oneFolder,
		RunE: func(_ *cobra.Command, args []string) error {
			logs, err := logsIn(args[0], true)
			if err != nil {
				return err
			}
			damages := 0
			for _, dir := range logs {
				n, err := c.verify(dir)
				if err != nil {
					return err
				}
				damages += n
			}
			if damages > 0 {
				return errDamage
			}
			return nil
		},
	}
}

// verify checks files, then what is in the records, and returns how many damages it printed.
func (c *cli) verify(dir string) (int, error) {
	list, err := spool.Verify(dir, c.progress("checking "+dir))
	if err != nil {
		return 0, err
	}
	for _, d := range list {
		fmt.Fprintf(c.out, "%s: offset %d, %d bytes: %s, %d records lost\n", d.File, d.Offset, d.Bytes, d.Kind, d.Records)
	}
	report, err := spool.Inspect(dir)
	if err != nil {
		return 0, err
	}
	if n := len(list); n > 0 && len(report.Segments) > 0 {
		if last := report.Segments[len(report.Segments)-1]; !last.Closed && list[n-1].File == last.File {
			fmt.Fprintf(c.err, "%s is open: when a daemon writes it now, its end may look damaged; stop the daemon, or check again\n", last.File)
		}
	}
	n, bad := 0, len(list)
	var done, all int64
	for _, s := range report.Segments {
		all += int64(s.Totals.Bytes)
	}
	progress := c.progress("reading the records of " + dir)
	err = spool.Scan(dir, func(e spool.Entry) error {
		n++
		done += int64(len(e.Body))
		progress(done, all)
		h, err := queue.ParseHeader(e.Header)
		if err == nil {
			_, err = h.Request(e.Body)
		}
		if err != nil {
			bad++
			fmt.Fprintf(c.out, "%s: record %d: content: %v\n", fileOf(report, e.Seq, dir), e.Seq, err)
		}
		return nil
	})
	if err != nil {
		return bad, err
	}
	fmt.Fprintf(c.out, "%s: %d whole records, %d damages\n", dir, n, bad)
	return bad, nil
}

func fileOf(r spool.Report, seq spool.Seq, dir string) string {
	for _, s := range r.Segments {
		if s.First <= seq && seq < s.End {
			return s.File
		}
	}
	return dir
}

type exporting struct {
	format, out string
	signal      string
}

func (c *cli) queueExport() *cobra.Command {
	var x exporting
	cmd := &cobra.Command{
		Use: "export DIR", Short: "write the unsettled records of a queue, a lane or dead letters; changes nothing", Args: oneFolder,
		Long: "Write the unsettled records of a queue, of a lane or of dead letters; nothing is changed in the queue.\n\n" +
			"otlp: each request behind its length, 4 bytes, big endian: what the exporter file writes with format: proto.\njson: an OTLP/JSON request a line.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if x.format != "otlp" && x.format != "json" {
				return errUsage{fmt.Errorf("--format is %q; write otlp or json", x.format), cmd}
			}
			if _, err := signalNamed(x.signal); x.signal != "" && err != nil {
				return errUsage{err, cmd}
			}
			logs, err := logsIn(args[0], false)
			if err != nil {
				return err
			}
			return c.export(logs, x)
		},
	}
	cmd.Flags().StringVar(&x.format, "format", "otlp", "`FORMAT` otlp or json")
	cmd.Flags().StringVar(&x.out, "out", "", "`FILE` to write, which must not exist (default: stdout)")
	cmd.Flags().StringVar(&x.signal, "signal", "", "only `SIGNAL`: metrics, logs or traces")
	return cmd
}

func signalNamed(name string) (pipeline.Signal, error) {
	for _, s := range pipeline.Signals {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("--signal is %q; write metrics, logs or traces", name)
}

func (c *cli) export(logs []string, x exporting) error {
	if x.format == "otlp" && x.signal == "" {
		if err := oneSignal(logs); err != nil {
			return err
		}
	}
	to, file := c.out, (*os.File)(nil)
	if f, is := c.out.(*os.File); x.out == "" && x.format == "otlp" && is && isTerminal(f) {
		return errors.New("OTLP is binary, and stdout is a terminal: add --out FILE, or --format json")
	}
	if x.out != "" {
		f, err := os.OpenFile(x.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("cannot make the file of --out: %w", err)
		}
		defer f.Close()
		to, file = f, f
	}
	w := bufio.NewWriterSize(to, 1<<20)
	var done spool.Totals
	bad, tenants := uint64(0), 0
	for _, dir := range logs {
		lost, err := spool.ScanUnsettled(dir, func(e spool.Entry) error {
			h, err := queue.ParseHeader(e.Header)
			if err == nil && x.signal != "" && h.Signal.String() != x.signal {
				return nil
			}
			var req []byte
			if err == nil {
				req, err = h.Request(e.Body)
			}
			if err != nil {
				bad++
				fmt.Fprintf(c.err, "%s: record %d is left out: %v\n", dir, e.Seq, err)
				return nil
			}
			if h.Tenant != "" {
				tenants++
			}
			done.Records, done.Count, done.Bytes = done.Records+1, done.Count+uint64(e.Count), done.Bytes+uint64(len(req))
			return writeRequest(w, x.format, h.Signal, req)
		})
		if err != nil {
			return fmt.Errorf("cannot export %s: %w", dir, err)
		}
		if bad += lost; lost > 0 {
			fmt.Fprintf(c.err, "%s: %d records are damaged and are left out; `queue verify` says where\n", dir, lost)
		}
	}
	err := w.Flush()
	if file != nil {
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot write the export: %w", err)
	}
	fmt.Fprintf(c.err, "exported %s\n", totals(done))
	if tenants > 0 {
		fmt.Fprintf(c.err, "%d records have a tenant, which the export does not show: export a lane at a time, or use replay\n", tenants)
	}
	if bad > 0 {
		return fmt.Errorf("%d records cannot be read and are left out", bad)
	}
	return nil
}

func writeRequest(w io.Writer, format string, sig pipeline.Signal, req []byte) error {
	var head []byte
	if format == "json" {
		req = append(otlpjson.Append(nil, sig, req), '\n')
	} else {
		head = binary.BigEndian.AppendUint32(nil, uint32(len(req)))
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(req)
	return err
}

// oneSignal is an error when the records have several signals: OTLP requests do not say which one they are.
func oneSignal(logs []string) error {
	var first pipeline.Signal
	for _, dir := range logs {
		_, err := spool.ScanUnsettled(dir, func(e spool.Entry) error {
			h, err := queue.ParseHeader(e.Header)
			switch {
			case err != nil || h.Signal == first:
			case first == 0:
				first = h.Signal
			default:
				return fmt.Errorf("there are %s and %s, which a file of OTLP does not tell apart: add --signal, or --format json", first, h.Signal)
			}
			if filepath.Base(dir) != queue.LettersDir {
				return errEnough // a lane has one signal
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
	}
	return nil
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
