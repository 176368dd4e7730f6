package command

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/internal/backoff"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

const (
	tenantHeader = "X-Scope-OrgID"
	replayTries  = 5
	replayWait   = 30 * time.Second // for one answer
	maxReply     = 64 << 10
)

// replay posts records.
type replay struct {
	to      string
	headers []string
	confirm bool
	partial bool

	out, err io.Writer
	client   http.Client
	target   *url.URL
	header   http.Header
	secrets  []string
	pause    time.Duration // after the first failure

	sent, kept spool.Totals
	why        error // the first record was kept for
}

func (c *cli) queueReplay() *cobra.Command {
	r := &replay{out: c.out, err: c.err, pause: time.Second}
	cmd := &cobra.Command{
		Use: "replay DIR --to URL --confirm", Short: "send a queue, or dead letters, to an OTLP/HTTP endpoint", Args: oneFolder,
		Long: "Send the unsettled records of a queue, a lane or the folder dead_letters to an OTLP/HTTP endpoint, in gzip, and settle each\nwhen the answer is 2xx. A record that is rejected stays; when the endpoint does not answer, the command ends, and can be repeated.\nThe tenant of a record goes into " + tenantHeader + ". A dead letter of which the destination took a part stays, unless --partial sends all of it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.readHeaders(); err != nil {
				return errUsage{err, cmd}
			}
			if err := r.prepare(); err != nil {
				return errUsage{err, cmd}
			}
			dirs, err := logsIn(args[0], false)
			if err != nil {
				return err
			}
			if !r.confirm {
				return c.unconfirmed(cmd, "send these records to "+r.target.Redacted()+" and remove them from the queue", dirs)
			}
			o, err := c.open(dirs)
			if errors.Is(err, spool.ErrLocked) {
				err = c.askDaemon(cmd.Context(), "replay", order{Folders: dirs, To: r.to, Headers: r.headers, Partial: r.partial}, err)
			} else if err == nil {
				err = r.logs(cmd.Context(), o)
			}
			c.sayLetters(args[0])
			return err
		},
	}
	cmd.Flags().StringVar(&r.to, "to", "", "`URL` of the endpoint, as http://host:4318")
	cmd.Flags().StringArrayVar(&r.headers, "header", nil, "also send `NAME=VALUE`; VALUE may be @FILE, which keeps secrets out of the command line; repeatable")
	cmd.Flags().BoolVar(&r.partial, "partial", false, "also send dead letters of which the destination took a part: that part arrives twice")
	cmd.Flags().BoolVar(&r.confirm, "confirm", false, "really send")
	return cmd
}

// readHeaders puts the content of files into the headers.
func (r *replay) readHeaders() error {
	for i, h := range r.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return errors.New("--header needs NAME=VALUE, as in --header Authorization=@/etc/sluice/token")
		}
		if file, is := strings.CutPrefix(value, "@"); is {
			b, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("cannot read the value of --header %s: %w", name, err)
			}
			r.headers[i] = name + "=" + strings.TrimSpace(string(b))
		}
	}
	return nil
}

func (r *replay) prepare() (err error) {
	if r.target, err = url.Parse(r.to); err != nil || r.target.Host == "" || (r.target.Scheme != "http" && r.target.Scheme != "https") {
		return errors.New("--to needs the URL of an OTLP/HTTP endpoint, as in --to http://127.0.0.1:4318")
	}
	r.header = http.Header{"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"gzip"}}
	for _, h := range r.headers {
		name, value, _ := strings.Cut(h, "=")
		r.header.Set(name, value)
		r.secrets = append(r.secrets, value)
		if _, token, ok := strings.Cut(value, " "); ok {
			r.secrets = append(r.secrets, token)
		}
	}
	r.client = http.Client{Timeout: replayWait, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return nil
}

// logs sends what is in logs that we have the locks of.
func (r *replay) logs(ctx context.Context, o *opened) (err error) {
	for i, l := range o.logs {
		if err = r.log(ctx, l); err != nil {
			err = endedEarly(o.dirs[i], err)
			break
		}
	}
	return r.report(errors.Join(err, o.close()))
}

func endedEarly(dir string, err error) error {
	return fmt.Errorf("the replay of %s ended early, and can be repeated: %w", dir, err)
}

// report says what was done.
func (r *replay) report(err error) error {
	fmt.Fprintf(r.out, "sent %s\n", totals(r.sent))
	if r.kept.Records > 0 {
		fmt.Fprintf(r.out, "kept %s\n", totals(r.kept))
		err = errors.Join(err, fmt.Errorf("%d records were not taken and stay where they are; the first: %w", r.kept.Records, r.why))
	}
	return err
}

// seized sends what is in lanes of a running queue.
func (r *replay) seized(ctx context.Context, s *queue.Seized) error {
	total := s.Stored().Bytes
	progress := progressTo(r.err, "sending")
	for {
		it, err := s.Next(ctx)
		if it == nil {
			return err
		}
		size := uint64(len(it.Body()))
		t := spool.Totals{Records: 1, Count: uint64(it.Items), Bytes: size}
		b, kept := it.Batch()
		if kept == nil {
			kept, err = r.record(ctx, outgoing{it.Number(), b.Signal, b.Origin.Tenant, b.Request})
		}
		if err != nil || kept != nil {
			s.Keep(it)
		} else {
			s.Done(it)
		}
		if err != nil {
			return err
		}
		r.count(it.Number(), t, kept)
		progress(int64(r.sent.Bytes+r.kept.Bytes), int64(total))
	}
}

func (r *replay) count(seq uint64, t spool.Totals, kept error) {
	if kept == nil {
		add(&r.sent, t)
		return
	}
	fmt.Fprintf(r.err, "record %d stays: %v\n", seq, kept)
	add(&r.kept, t)
	if r.why == nil {
		r.why = kept
	}
}

// log sends what is unsettled in one log. Its error is that of the endpoint or the disk.
func (r *replay) log(ctx context.Context, l *spool.Log) error {
	stats := l.Stats()
	progress := progressTo(r.err, "sending")
	in := l.NewReader(0, l.End())
	defer in.Close()
	var buf []byte
	done := int64(0)
	for fails := 0; ; {
		e, err := in.Next(ctx, buf)
		buf = e.Buf
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if fails++; fails < replayTries && ctx.Err() == nil {
				continue // at the third error the record counts as damaged
			}
			return err
		}
		fails = 0
		t := spool.Totals{Records: 1, Count: uint64(e.Count), Bytes: uint64(len(e.Body))}
		kept, err := r.entry(ctx, e)
		if err != nil {
			return err
		}
		if kept == nil {
			l.Settle(e.Seq)
		}
		r.count(uint64(e.Seq), t, kept)
		done += int64(t.Bytes)
		progress(done, int64(stats.Unsettled.Bytes))
	}
	if n := l.Stats().Damaged.Records; n > 0 {
		fmt.Fprintf(r.err, "%d records are damaged and were passed over\n", n)
	}
	return nil
}

func add(t *spool.Totals, u spool.Totals) {
	t.Records, t.Count, t.Bytes = t.Records+u.Records, t.Count+u.Count, t.Bytes+u.Bytes
}

func (r *replay) entry(ctx context.Context, e spool.Entry) (kept, err error) {
	h, err := queue.ParseHeader(e.Header)
	if err != nil {
		return err, nil
	}
	if h.Rejected > 0 && !r.partial {
		return fmt.Errorf("%d of its %d items were rejected, which ones is unknown, and the others taken; --partial sends all of them", h.Rejected, e.Count), nil
	}
	req, err := h.Request(e.Body)
	if err != nil {
		return err, nil
	}
	return r.record(ctx, outgoing{uint64(e.Seq), h.Signal, h.Tenant, req})
}

// outgoing is a record as it is posted.
type outgoing struct {
	seq     uint64
	signal  pipeline.Signal
	tenant  string
	request []byte
}

// record sends one record. kept says why it stays, err that no other need be tried.
func (r *replay) record(ctx context.Context, o outgoing) (kept, err error) {
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	_, _ = z.Write(o.request) // a buffer takes everything
	_ = z.Close()
	wait := backoff.Backoff{Min: r.pause, Max: 10 * r.pause, Multiplier: 2}
	for try := 1; ; try++ {
		out := r.post(ctx, o, body.Bytes())
		switch {
		case out.Verdict == answer.Taken && out.Items > 0:
			return fmt.Errorf("%w; a part of it was taken, and would arrive twice if it is sent again", out.Err), nil
		case out.Verdict == answer.Taken:
			return nil, nil
		case out.Verdict == answer.Rejected:
			return out.Err, nil
		case out.Verdict == answer.Misconfigured:
			return nil, fmt.Errorf("%w; check the URL of --to, and --header", out.Err)
		case try == replayTries || ctx.Err() != nil:
			return nil, out.Err
		}
		fmt.Fprintf(r.err, "record %d is tried again: %v\n", o.seq, out.Err)
		select {
		case <-time.After(wait.Next(out.After)):
		case <-ctx.Done():
		}
	}
}

func (r *replay) post(ctx context.Context, o outgoing, body []byte) (out answer.Outcome) {
	words := func(s string) string { return answer.Excerpt(s, r.secrets) }
	target := r.target.JoinPath("v1", o.signal.String())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return answer.Outcome{Verdict: answer.Misconfigured, Err: err}
	}
	req.Header = r.header.Clone()
	if o.tenant != "" && req.Header.Get(tenantHeader) == "" {
		req.Header.Set(tenantHeader, o.tenant)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return answer.Outcome{Verdict: answer.Retry, Err: errors.New(words(err.Error()))}
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if resp.StatusCode/100 == 2 && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return answer.Outcome{Verdict: answer.Misconfigured, Err: fmt.Errorf("%s answered with a web page: it is no OTLP endpoint", target.Redacted())}
	}
	if resp.StatusCode/100 == 2 {
		out.Verdict = answer.Taken
		out.PartialHTTP(resp.Header.Get("Content-Type"), text, words)
		return out
	}
	out.Verdict, out.Reason = answer.JudgeHTTP(resp.StatusCode)
	out.After = answer.RetryAfter(resp.Header, time.Now())
	out.Err = fmt.Errorf("%s answered %s: %s", target.Redacted(), resp.Status, words(string(text)))
	if out.Reason == pipeline.DropTooLarge {
		out.Err = fmt.Errorf("%w; raise the endpoint's limit of bytes", out.Err)
	}
	return out
}
