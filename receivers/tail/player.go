package tail

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/finder"
	"github.com/sluiceio/sluice/receivers/tail/multiline"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

// player makes records of the content of files that are not there.
type player struct {
	settings         pipeline.Settings
	cfg              *Config
	next             pipeline.Sink
	include, exclude []finder.Glob
	joining          func(path, as string) *multiline.Rule // may be nil
}

func newPlayer(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (*player, error) {
	p := &player{settings: s, cfg: cfg, next: out.For(pipeline.Logs)}
	var err error
	if p.include, err = finder.ParseGlobs(cfg.Include); err != nil {
		return nil, err
	}
	if p.joining, err = cfg.chooser(nil); err != nil {
		return nil, err
	}
	p.exclude, err = finder.ParseGlobs(cfg.Exclude)
	return p, err
}

// Play makes records of a whole file, What being its path.
func (p *player) Play(ctx context.Context, in pipeline.Played) error {
	matches := func(globs []finder.Glob) bool {
		return slices.ContainsFunc(globs, func(g finder.Glob) bool { return g.Match(in.What) })
	}
	if !matches(p.include) {
		return fmt.Errorf(`"include" of %s does not match %s`, p.settings.ID, in.What)
	}
	if left := p.cfg.leavesOut(nil); matches(p.exclude) || left != nil && left(in.What) {
		return nil
	}
	lines := record.NewLines(p.cfg.MaxLineBytes, record.NewAttributes())
	lines.Detect(p.cfg.detects())
	lines.Set(p.cfg.Format, record.IsPodLog(in.What))
	if p.joining != nil {
		lines.Join(p.joining(in.What, ""))
	}
	envelope := record.Origin{Host: in.Host, Service: p.cfg.ServiceName, Attributes: p.cfg.Attributes, Version: p.settings.Version}.Envelope(in.What, "")
	pool := record.NewPool(p.cfg.MaxBatchBytes)
	for rest, at := in.Text, 0; ; {
		batch := pool.Get(envelope)
		lines.To(batch, uint64(in.Time.UnixNano()))
		used, full := lines.Take(rest, int64(at))
		rest, at = rest[used:], at+used
		if !full {
			if tail := bytes.TrimSuffix(rest, []byte{'\n'}); len(tail) > 0 {
				lines.Line(tail, int64(at))
			}
			lines.FinishAll()
		}
		if batch.Items() > 0 {
			batch.Seal(envelope)
			if err := p.next.Consume(ctx, pipeline.Batch{Signal: pipeline.Logs, Request: batch.Request(), Items: batch.Items()}); err != nil {
				return err
			}
		}
		if !full {
			return nil
		}
	}
}
